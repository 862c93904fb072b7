"""What runs in the processes that are forked for programs, before, around and after them."""
