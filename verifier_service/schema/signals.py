"""What the signals of results mean. The sandbox reports them by name; later versions can add some."""

from collections.abc import Mapping

SIGNALS: Mapping[str, str] = {
    "ended_early": "The program ended by itself while an answer was expected.",
    "left_processes": "Processes of the program were alive when it had ended.",
    "forbidden_system_call": "The kernel ended the program for a system call that no program can make.",
    "tried_a_socket": "The program sent, or tried to send, something over the network; the sandbox has none.",
    "failed_line_up": "An operator of one of the program's classes affirmed a value that it had to deny.",
    "failed_twin": "A test passed although it had been changed so that it must fail.",
    "passed_only_across_the_wall": "A test passed across the wall and failed in plain Python.",
}
