"""Several hosts in one run: only the first process writes most of a run's folder, and all of them read it."""

import socket
import time
import uuid
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from trainer.errors import DataError

APPEARS_WITHIN_S = 20.0
"""A network file system shows to other hosts after some seconds what one has written."""


def see_the_same_folder(folder: Path, state: PartialState, within_s: float = APPEARS_WITHIN_S) -> None:
    """See that all processes find in a folder what the first one writes there; one process alone always does.

    Raises:
        DataError: on all processes, where some see another folder; it names their hosts.
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
            f"{folder} on {', '.join(sorted(blind))} is not the folder that the first process writes: a run on several "
            "hosts needs an output_dir on a file system that they share, such as NFS"
        )


def _appears(path: Path, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not path.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True
