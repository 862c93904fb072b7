"""Do verdicts stay the same when the machine is busy, and does the service stay the same after a long day?

    python -m benchmarks.code_under_load crowd   # 512 correct programs of 0.5 CPU-s each, limit 2 s, sent at once
    python -m benchmarks.code_under_load mixed   # a mixed batch five times alone, five times beside burners
    python -m benchmarks.code_under_load soak    # 20,000 submissions, then look for what is left behind

Each starts a service of its own and ends with 1 if what it claims does not hold.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from benchmarks.code_speed import BATCH, call_submission
from tests.conftest import ServiceProcess

console = Console()

BURN = """
import time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return {n}
"""


def burning(n: int, cpu_s: float, limit_s: float) -> dict[str, Any]:
    """Return a submission that uses `cpu_s` seconds of CPU and returns `n`."""
    tests = {"kind": "call", "entry_point": "burn", "cases": [{"args": [cpu_s], "expected": n}]}
    return {"kind": "code", "completion": BURN.format(n=n), "tests": tests, "limits": {"time_limit_s": limit_s}}


def crowd(client: httpx.Client, _: ServiceProcess) -> bool:
    """512 honest programs at once: all are accepted, however long they stand in line."""
    submissions = [burning(n, 0.5, 2) for n in range(512)]
    started = time.perf_counter()
    results = client.post("/v1/verify", json={"submissions": submissions}).json()["results"]
    counts = Counter(result["verdict"] for result in results)
    console.print(f"512 programs of 0.5 CPU-s, limit 2 s: {dict(counts)} in {time.perf_counter() - started:.0f} s")
    return counts == {"accepted": 512}


def mixed_batch() -> list[dict[str, Any]]:
    """Return programs of every verdict, some of them close to a limit."""
    kinds: list[Callable[[int], dict[str, Any]]] = [
        call_submission,
        lambda n: burning(n, 0.7, 1.0),
        lambda n: burning(n, 1.3, 1.0),
        lambda n: burning(n, 60, 0.3),
        lambda n: stdio(f"print({n})", f"{n}"),
        lambda n: stdio(f"print({n})", f"{n + 1}"),
        lambda n: stdio(f"x = bytearray(2 << 30)  # {n}", ""),
        lambda n: stdio(f"while True: print('{n}' * 1000)", ""),
        lambda n: stdio(f"import time; time.sleep(60)  # {n}", "", wall_limit_s=1.5, time_limit_s=1),
        lambda n: stdio(f"raise SystemExit({n + 1})", ""),
        lambda n: stdio(f"def f(: {n}", ""),
        lambda n: stdio(f"import time; time.sleep(0.3); print({n})", f"{n}"),
    ]
    return [kind(n) for n in range(3) for kind in kinds]


def stdio(program: str, stdout: str, **limits: float) -> dict[str, Any]:
    """Return a program with one run."""
    return {
        "kind": "code",
        "completion": program,
        "tests": {"kind": "stdio", "cases": [{"stdout": stdout}]},
        "limits": limits,
    }


def mixed(client: httpx.Client, _: ServiceProcess) -> bool:
    """A batch with programs of every verdict: ten times the same verdicts."""
    seen = []
    for repeat in range(10):
        with burners(os.cpu_count() or 1) if repeat >= 5 else nothing():
            results = client.post("/v1/verify", json={"submissions": mixed_batch()}).json()["results"]
        seen.append([result["verdict"] for result in results])
        console.print(f"repeat {repeat + 1}{' beside burners' if repeat >= 5 else ''}: {dict(Counter(seen[-1]))}")
    return all(verdicts == seen[0] for verdicts in seen) and "judge_error" not in seen[0]


@contextmanager
def nothing() -> Iterator[None]:
    """Leave the machine alone."""
    yield


@contextmanager
def burners(count: int) -> Iterator[None]:
    """Keep `count` cores busy."""
    processes = [multiprocessing.Process(target=_burn, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def _burn() -> None:
    while True:
        pass


def soak(client: httpx.Client, service: ServiceProcess) -> bool:
    """20,000 submissions, some of them hostile: memory stays flat and nothing is left."""
    hostile = [
        stdio("import subprocess; subprocess.Popen(['sleep', '60'])", ""),
        stdio("import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(60)", ""),
        stdio("open('/tmp/left', 'w').write('x' * 100000); print('y' * 100000)", ""),
        stdio("import multiprocessing.shared_memory as m; m.SharedMemory(create=True, size=100000)", ""),
    ]
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    for n in range(0, 20_480, BATCH):
        batch = [call_submission(n + i) for i in range(BATCH - len(hostile))] + hostile
        response = client.post("/v1/verify", json={"submissions": batch})
        bad = [one for one in response.json()["results"] if one["verdict"] == "judge_error"]
        if bad:
            console.print(f"[red]judge_error: {bad[0]}[/]")
            return False
        if n // BATCH % 10 == 9:
            last = footprint(service)
            first = first or last
            console.print(f"after {n + BATCH}: " + ", ".join(f"{name} {value:g}" for name, value in last.items()))
    return all(last[name] <= first[name] * 1.1 + 5 for name in first)


def footprint(service: ServiceProcess) -> dict[str, float]:
    """Return what the service holds: memory, descriptors, processes below it, mounts, containers."""
    pids = _tree(service.pid)
    containers = subprocess.run(["docker", "ps", "-aq"], capture_output=True, text=True, check=False).stdout.split()
    return {
        "service MiB": round(_rss_mb(service.pid), 1),
        "tree MiB": round(sum(_rss_mb(pid) for pid in pids), 1),
        "descriptors": len(os.listdir(f"/proc/{service.pid}/fd")),
        "processes": len(pids),
        "mounts": len(Path("/proc/mounts").read_text().splitlines()),
        "containers": len(containers),
    }


def _tree(root: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    found = [root]
    for pid in found:
        found += children.get(pid, [])
    return found


def _rss_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return 0.0


CLAIMS: dict[str, Callable[[httpx.Client, ServiceProcess], bool]] = {"crowd": crowd, "mixed": mixed, "soak": soak}


def main() -> None:
    """Check one claim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claim", choices=CLAIMS)
    claim = parser.parse_args().claim
    with tempfile.TemporaryDirectory() as folder:
        service = ServiceProcess(Path(folder) / "service.log")
        service.start()
        try:
            with httpx.Client(base_url=service.url, timeout=1200) as client:
                holds = CLAIMS[claim](client, service)
        finally:
            service.stop()
    console.print(f"{claim}: [green]holds[/]" if holds else f"{claim}: [red]DOES NOT HOLD[/]")
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main()
