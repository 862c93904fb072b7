"""Start a box: `python3 -m sandboxes.harness CONFIG`, see `protocol.config.BoxConfig`."""

import os
import sys

from sandboxes.harness.child.main import main as become
from sandboxes.harness.zygote import PRELOADED, Zygote
from sandboxes.protocol.config import BoxConfig
from sandboxes.protocol.constants import PROGRAM_ENV


def main(argument: str) -> None:
    """Fork the zygote, and be the supervisor until the service goes away."""
    config = BoxConfig.from_argument(argument)
    os.environ.clear()
    os.environ.update(PROGRAM_ENV)
    zygote = Zygote.start(become, (*PRELOADED, "sandboxes.protocol.plain") if config.tester else ())
    # Imported only now: programs begin their life with what the zygote holds, and each page of it makes a fork dearer.
    from sandboxes.harness.supervisor import serve

    serve(config, zygote)


if __name__ == "__main__":
    main(sys.argv[1])
