"""If hosts do not share the run's folder, all of them stop with an error before any training."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import free_port

ROOT = Path(__file__).parents[2]
PROGRAM = """
from pathlib import Path
from accelerate import PartialState
from trainer.errors import DataError
from trainer.hosts import see_the_same_folder

state = PartialState(cpu=True)
for folders in (["{folder}/both"] * 2, ["{folder}/first", "{folder}/second"]):
    folder = Path(folders[state.process_index])
    try:
        see_the_same_folder(folder, state, within_s=0.2)
        said = "seen"
    except DataError as problem:
        said = "not shared" if "is not the folder that the first process writes" in str(problem) else str(problem)
    Path(f"{folder}/{{state.process_index}}.txt").open("a").write(said + "\\n")
"""


def test_hosts_that_do_not_share_the_folder_all_stop(tmp_path: Path) -> None:
    """Two processes represent two hosts, first with a common folder, then each with its own."""
    program = tmp_path / "program.py"
    for name in ("both", "first", "second"):
        (tmp_path / name).mkdir()
    program.write_text(PROGRAM.format(folder=tmp_path), encoding="utf-8")
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    shared |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    hosts = [
        subprocess.Popen(
            [sys.executable, str(program)],
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in (0, 1)
    ]
    said = [host.communicate(timeout=300)[1] for host in hosts]
    assert [host.returncode for host in hosts] == [0, 0], said
    assert [(tmp_path / f"{i}.txt").read_text().splitlines() for i in (0, 1)] == [["seen", "not shared"]] * 2
    assert list((tmp_path / "both").iterdir()) == [], "the mark is taken away again"
