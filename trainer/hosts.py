"""Runs on several hosts: the first process writes most of the run's folder, and all processes read it."""

import socket
import time
import uuid
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from trainer.errors import DataError

APPEARS_WITHIN_S = 20.0
"""How long to wait for a file. A network file system can take seconds to show it to other hosts."""


def see_the_same_folder(folder: Path, state: PartialState, within_s: float = APPEARS_WITHIN_S) -> None:
    """Check that all processes see the files that the first one writes to a folder.

    Raises:
        DataError: Some processes see a different folder; the message names their hosts. Raised on all processes.
    """
    if state.num_processes == 1:
        return
    mark = folder / f".shared-{broadcast_object_list([uuid.uuid4().hex])[0]}"
    if state.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    state.wait_for_everyone()
    blind = set(gather_object([] if _appears(mark, within_s) else [socket.gethostname()]))
    if state.is_main_process:
        mark.unlink()
    state.wait_for_everyone()
    if blind:
        raise DataError(
            f"{folder} on {', '.join(sorted(blind))} is not the folder that the first process writes to: a run on "
            "several hosts needs an output_dir on a shared file system, such as NFS"
        )


def _appears(path: Path, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
