"""Does a service that is killed again and again keep its promises about submissions that it has accepted?

    python -m benchmarks.durable_kills                     # 20 kills; writes runs/benchmarks/durable_kills.json and .md
    python -m benchmarks.durable_kills --kills 5 --shared  # on its own PostgreSQL, next to a second service

Clients continuously store batches of math and code, half of them right and half wrong, and repeat each request with its
idempotency key until it is accepted. Meanwhile, the service is killed (SIGKILL) at random moments and restarted. At the
end, every accepted submission must have exactly one result, the right one, and a result that was read earlier must not
have changed. Otherwise the exit code is 1.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.figures import Better, Unit, figure, slug
from benchmarks.results import Table, machine, save, track
from tests.conftest import ServiceProcess
from tests.store.postgres import postgres_server

CLIENTS = 3
PAUSE_S = (1.0, 6.0)
BATCH = 12


@dataclass
class Book:
    """The accepted submissions with their expected verdicts, and the results that were read early."""

    expected: dict[str, str] = field(default_factory=dict)
    early: dict[str, Any] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)


def batch() -> list[tuple[dict[str, Any], str]]:
    """Return submissions, each with its expected verdict."""
    made: list[tuple[dict[str, Any], str]] = []
    for number in range(BATCH):
        right = random.random() < 0.5
        verdict = "accepted" if right else "wrong_answer"
        if number % 4:
            answer = random.randrange(10**6)
            math = {"kind": "math", "completion": f"\\boxed{{{answer}}}", "reference": str(answer + (not right))}
            made.append((math, verdict))
        else:
            seed = uuid.uuid4().hex
            tests = {"kind": "stdio", "cases": [{"stdin": seed, "stdout": seed if right else "no"}]}
            made.append(({"kind": "code", "completion": f"print(input())  # {seed}", "tests": tests}, verdict))
    return made


def send(urls: list[str], book: Book) -> None:
    """Send batches until the run is over, repeating each one until it is accepted."""
    with httpx.Client(timeout=30) as http:
        while not book.over.is_set():
            pairs, key = batch(), uuid.uuid4().hex
            while True:
                url = random.choice(urls)
                try:
                    body = {"submissions": [one for one, _ in pairs]}
                    answer = http.post(f"{url}/v1/submissions", json=body, headers={"Idempotency-Key": key})
                    if answer.status_code in (200, 202):
                        break
                    book.refused[str(answer.status_code)] += 1
                except httpx.TransportError as error:
                    book.refused[type(error).__name__] += 1
                time.sleep(0.2)
            ids = answer.json()["ids"]
            book.expected |= dict(zip(ids, (verdict for _, verdict in pairs), strict=True))
            try:
                read = http.get(f"{url}/v1/submissions/{ids[0]}").json()
                if read.get("state") == "done":
                    book.early[ids[0]] = read["result"]
            except httpx.TransportError:
                pass
            time.sleep(0.1)


def results(url: str, book: Book, patience_s: float) -> dict[str, Any]:
    """Return all accepted submissions by id, once all of them are finished or patience runs out."""
    found: dict[str, Any] = {}
    deadline = time.monotonic() + patience_s
    while len(found) < len(book.expected) and time.monotonic() < deadline:
        missing = [one for one in book.expected if one not in found][:4096]
        answer = httpx.post(f"{url}/v1/submissions/batch-get", json={"ids": missing}, timeout=60).json()
        found |= {one["id"]: one for one in answer["submissions"] if one["finished_at"] is not None}
        time.sleep(0.2)
    return found


def main() -> None:
    """Kill the service again and again, and count what was lost, changed or judged twice."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.durable_kills",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--shared", action="store_true", help="on PostgreSQL, next to a service that is not killed")
    asked = parser.parse_args()
    book, about = Book(), machine()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        env: dict[str, str] = {}
        if asked.shared:
            env = {"VERIFIER_DATABASE_URL": stack.enter_context(postgres_server()).url, "VERIFIER_LEASE_S": "5"}
        services = []
        for number in range(1 + asked.shared):
            (folder / str(number)).mkdir()
            services.append(ServiceProcess(folder / str(number) / "log", env))
            services[-1].start()
            stack.callback(services[-1].stop)
        urls = [one.url for one in services]
        threads = [threading.Thread(target=send, args=(urls, book)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for _ in track(range(asked.kills), "kills"):
            time.sleep(random.uniform(*PAUSE_S))
            services[0].kill()
            services[0].start()
        book.over.set()
        for thread in threads:
            thread.join()
        found = results(urls[-1], book, 600)
    verdicts = {one: found[one]["result"]["verdict"] for one in found if found[one]["result"]}
    counts = {
        "kills": asked.kills,
        "accepted": len(book.expected),
        "right": sum(verdicts.get(one) == verdict for one, verdict in book.expected.items()),
        "lost": len(book.expected) - len(found),
        "wrong": sum(verdicts[one] != verdict for one, verdict in book.expected.items() if one in verdicts),
        "read early": len(book.early),
        "changed since": sum(found[one]["result"] != result for one, result in book.early.items() if one in found),
        "judged more than once": sum(one["attempt"] > 1 for one in found.values()),
        "most attempts": max((one["attempt"] for one in found.values()), default=0),
    }
    table = Table("What was accepted while the service was killed", ["", "count"])
    for name, count in counts.items():
        table.add(name, str(count))
    of = f"of {counts['accepted']} accepted ones"
    figures = [
        figure(f"durable_kills/{slug(name)}", f"{of}: {name}", counts[name], Unit.COUNT, Better.LOWER)
        for name in ("lost", "wrong", "changed since")
    ]
    save("durable_kills", about, {"counts": counts, "refused": dict(book.refused)}, [table], figures)
    sys.exit(counts["right"] != counts["accepted"] or counts["changed since"] > 0)


if __name__ == "__main__":
    main()
