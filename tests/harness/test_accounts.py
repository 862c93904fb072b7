"""The kernel's accounts are read in the formats of both cgroup versions, and only if they are the box's own."""

import os
from pathlib import Path

import pytest

from sandboxes.harness.accounts import CPU_FILES, MEMORY_FILES, Accounts, find

CPU_STAT = """\
usage_usec 1503207
user_usec 1108531
system_usec 394676
nice_usec 0
core_sched.force_idle_usec 0
nr_periods 61
nr_throttled 14
throttled_usec 733150
nr_bursts 0
burst_usec 0
"""
MEMORY_STAT = """\
anon 6295552
file 53248
kernel 1552384
kernel_stack 32768
pagetables 163840
sec_pagetables 0
percpu 0
sock 0
vmalloc 0
shmem 45056
zswap 0
zswapped 0
file_mapped 40960
file_dirty 0
file_writeback 0
swapcached 0
anon_thp 0
inactive_anon 6283264
active_anon 53248
slab_reclaimable 420208
pgfault 21210
"""
MEMORY_STAT_1 = """\
cache 4595712
rss 479232
rss_huge 0
shmem 8192
mapped_file 2859008
dirty 0
pgpgin 2691
pgpgout 1452
hierarchical_memory_limit 9223372036854771712
total_cache 4595712
total_rss 479232
total_shmem 8192
"""


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """The files that a container sees with version 1."""
    for name, content in {"cpuacct/cpuacct.usage": "47532290\n", "memory/memory.stat": MEMORY_STAT_1}.items():
        path = tmp_path / name
        path.parent.mkdir()
        path.write_text(content)
        (path.parent / "cgroup.procs").write_text(f"{os.getpid()}\n")
    return tmp_path


@pytest.fixture
def version_2(tmp_path: Path) -> Path:
    """The files that a container sees with version 2."""
    (tmp_path / "cpu.stat").write_text(CPU_STAT)
    (tmp_path / "memory.stat").write_text(MEMORY_STAT)
    (tmp_path / "cgroup.procs").write_text(f"{os.getpid()}\n7\n")
    return tmp_path


def read(cgroup: Path) -> tuple[float | None, float | None]:
    found = (find(files, str(cgroup)) for files in (CPU_FILES, MEMORY_FILES))
    cpu, memory = (one.now() if one else None for one in found)
    return cpu, memory


def test_version_1_is_read(version_1: Path) -> None:
    assert read(version_1) == (0.04753229, 479232 + 8192)


def test_version_2_is_read(version_2: Path) -> None:
    assert read(version_2) == (1.503207, 6295552 + 45056)


def test_version_2_counts_cpu_time_also_without_any_controller(version_2: Path) -> None:
    (version_2 / "cpu.stat").write_text("usage_usec 12\nuser_usec 10\nsystem_usec 2\n")
    (version_2 / "memory.stat").unlink()
    assert read(version_2) == (0.000012, None)


@pytest.mark.parametrize("procs", [f"0\n{os.getpid()}\n", "7\n", ""], ids=["its own", "another", "none"])
def test_a_cgroup_that_holds_others_is_not_the_boxs_own(version_2: Path, procs: str) -> None:
    (version_2 / "cgroup.procs").write_text(procs)
    assert read(version_2) == (None, None)


@pytest.mark.parametrize("content", ["", "usage_usec\n", "usage_usec many\n", "user_usec 10\n"])
def test_what_cannot_be_read_is_no_account(version_2: Path, content: str) -> None:
    (version_2 / "cpu.stat").write_text(content)
    assert read(version_2)[0] is None


def test_an_account_is_read_anew_each_time(version_2: Path) -> None:
    account = find(CPU_FILES, str(version_2))
    assert account is not None
    (version_2 / "cpu.stat").write_text(CPU_STAT.replace("1503207", "2000000"))
    assert account.now() == 2.0


def test_without_a_cgroup_nothing_is_known(tmp_path: Path) -> None:
    accounts = Accounts((), str(tmp_path))
    assert (accounts.cpu_s([os.getpid()]), accounts.memory_mb()) == (None, None)


def test_what_the_box_itself_uses_is_taken_off(version_2: Path, tmp_path: Path) -> None:
    accounts = Accounts((), str(version_2))
    accounts.note_idle()
    (tmp_path / "memory.stat").write_text(MEMORY_STAT.replace("anon 6295552", f"anon {6295552 + (96 << 20)}"))
    used_s, held_mb = accounts.cpu_s([os.getpid()]), accounts.memory_mb()
    assert used_s is not None
    assert held_mb is not None
    assert used_s < 1.503207
    assert 90 < held_mb < 100
