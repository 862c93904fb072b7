"""How a run writes files: complete or not at all, with weights verified, and without overwriting older runs."""

import contextlib
import itertools
import json
import os
from pathlib import Path

from transformers import Trainer

from trainer.errors import SavingFailed

WEIGHTS = ("*.safetensors", "*.bin")
SEEDS = "seeds.json"  # lists the seeds of a folder with one run for each seed
_STATE = "trainer_state.json"  # the last file of a checkpoint that transformers writes


def write_whole(path: Path, text: str) -> None:
    """Write a text file atomically: readers find either the old text or the new one, even after a crash."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(text, encoding="utf-8")
    os.replace(new, path)


def set_aside(folder: Path, name: str | None = None) -> Path | None:
    """Rename a non-empty folder to the first free `FOLDER.N`, or to `NAME.N` in the same place.

    Returns:
        The new path, or None if there was nothing to set aside.
    """
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    return folder.rename(_free(folder.with_name(name or folder.name)))


def last_checkpoint(folder: Path) -> Path | None:
    """Return the last complete checkpoint, after setting aside incomplete ones.

    A process that is killed while it saves leaves an incomplete checkpoint. It is kept as `broken-checkpoint-N.1`.
    """
    found = [path for path in folder.glob("checkpoint-*") if path.is_dir() and path.name.rpartition("-")[2].isdigit()]
    for path in sorted(found, key=lambda path: int(path.name.rpartition("-")[2]), reverse=True):
        if _is_whole(path):
            return path
        with contextlib.suppress(FileNotFoundError):  # another process of the run has renamed it already
            path.rename(_free(path.with_name(f"broken-{path.name}")))
    return None


def save_model(trainer: Trainer, folder: Path) -> None:
    """Save a trainer's model or adapter as a whole, even if its weights are sharded.

    Raises:
        SavingFailed: The folder has no weights afterwards. The process must not end as if it had succeeded.
    """
    plugin = getattr(trainer.accelerator.state, "fsdp_plugin", None)
    if trainer.is_fsdp_enabled and plugin is not None:
        plugin.set_state_dict_type("FULL_STATE_DICT")  # with a sharded one, transformers silently saves nothing
    try:
        trainer.save_model(str(folder))
    except (OSError, RuntimeError) as problem:
        raise SavingFailed(folder, str(problem)) from problem
    trainer.accelerator.wait_for_everyone()
    has_weights = any(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern))
    if trainer.accelerator.is_main_process and not has_weights:
        raise SavingFailed(folder, "no weights were written")


def _free(path: Path) -> Path:
    """Return the first `PATH.N` that does not exist."""
    return next(Path(f"{path}.{n}") for n in itertools.count(1) if not Path(f"{path}.{n}").exists())


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True
