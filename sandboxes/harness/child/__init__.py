"""Code in the processes that are forked for programs. It runs before, around and after the program."""
