"""Start a box: `python3 -m sandboxes.harness CONFIG`. See `protocol.config.BoxConfig` for CONFIG."""

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
        Forked: In each process that the zygote forks for a program.
    """
    _make_room_for_stacks()
    config = BoxConfig.from_argument(argument)
    os.environ.clear()
    os.environ.update(PROGRAM_ENV)
    zygote = Zygote.start((*PRELOADED, PLAIN) if config.tester else (), rehearse)
    # Imported only now, after the fork: programs start with the zygote's memory, and every page of it slows down forks.
    from sandboxes.harness.supervisor import serve

    serve(config, zygote)


def _make_room_for_stacks() -> None:
    """Make the kernel leave address space for large stacks. It does so only on exec, so execute this program again.

    The C library would also use this size for the stacks of threads, so it is set back to the usual one for them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = STACK_ROOM_BYTES if hard == resource.RLIM_INFINITY else min(STACK_ROOM_BYTES, hard)
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        os.execv(sys.executable, sys.orig_argv)
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(256)  # larger than pthread_attr_t on any platform
    libc.pthread_attr_init(attributes)
    libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(THREAD_STACK_BYTES))
    if libc.pthread_setattr_default_np(attributes) != 0:
        raise OSError("the stack size of threads cannot be set")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Forked as forked:
        channel_fd = forked.channel_fd
    # Out here, all frames of the harness are gone, so a program gets the whole recursion limit.
    become(channel_fd)
