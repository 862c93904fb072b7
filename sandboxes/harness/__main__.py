"""Start a box: `python3 -m sandboxes.harness CONFIG`, see `protocol.config.BoxConfig`."""

import ctypes
import os
import resource
import sys
from typing import NoReturn

from sandboxes.harness.child.main import main as become
from sandboxes.harness.limits import STACK_ROOM_BYTES, THREAD_STACK_BYTES
from sandboxes.harness.rehearsal import rehearse
from sandboxes.harness.zygote import PLAIN, PRELOADED, Forked, Zygote
from sandboxes.protocol.config import BoxConfig
from sandboxes.protocol.constants import PROGRAM_ENV


def main(argument: str) -> NoReturn:
    """Fork the zygote, and be the supervisor until the service goes away.

    Raises:
        Forked: this is a process that was forked for a program.
    """
    _make_room_for_stacks()
    config = BoxConfig.from_argument(argument)
    os.environ.clear()
    os.environ.update(PROGRAM_ENV)
    zygote = Zygote.start((*PRELOADED, PLAIN) if config.tester else (), rehearse)
    # Imported only now: programs begin their life with what the zygote holds, and each page of it makes a fork dearer.
    from sandboxes.harness.supervisor import serve

    serve(config, zygote)


def _make_room_for_stacks() -> None:
    """See to it that the kernel leaves room below the stack, which it does when a program is executed: once more then.

    The C library takes the size of that room for the stacks of threads, so it is told what is usual.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_ROOM_BYTES if hard == resource.RLIM_INFINITY else min(STACK_ROOM_BYTES, hard)
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        os.execv(sys.executable, sys.orig_argv)
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)  # more than pthread_attr_t takes anywhere
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK_BYTES))
    if libc.pthread_setattr_default_np(attributes) != 0:
        raise OSError("the size of the stacks of threads cannot be set")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Forked as forked:
        channel_fd = forked.channel_fd
    # All frames of the harness are gone now, so a program has all of the recursion limit.
    become(channel_fd)
