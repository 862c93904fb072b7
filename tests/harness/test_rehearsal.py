"""A rehearsal leaves the zygote unchanged."""

import subprocess
import sys

LOOK = """
import os, resource, sys
from sandboxes.harness.child import confine, main
from sandboxes.protocol import plain

def look():
    limits = [resource.getrlimit(what) for what in range(16)]
    fds = {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if fd != "3"}
    inside = (sys.argv, sys.orig_argv, list(sys.path), sys.getrecursionlimit(), sys.setrecursionlimit)
    functions = [getattr(os, name) for name in sorted(vars(os))]
    with open("/proc/self/oom_score_adj") as score, open("/proc/self/status") as status:
        outside = (score.read(), [line for line in status if line[:3] in ("Uid", "Gid", "Uma", "Gro", "NSs")])
    place = (os.getsid(0), os.getcwd(), sys.modules["__main__"])
    return limits, fds, inside, functions, outside, place, vars(confine).copy()

from sandboxes.harness import rehearsal
before, modules = look(), dict(sys.modules)
rehearsal.rehearse()
after = look()
print(before == after, sorted(set(sys.modules) - set(modules)))
"""
ANSWERS = """
from sandboxes.harness import rehearsal
said = []
answer = rehearsal.main.answer
rehearsal.main.answer = lambda kind, payload=b"": (said.append((kind.name, payload)), answer(kind, payload))
rehearsal.rehearse()
print(said == ([("CONFINED", b""), ("READY", b"")] + [("RETURNED", b"3")] * rehearsal.QUESTIONS) * rehearsal.TIMES)
"""


def _python(source: str) -> str:
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout


def test_a_rehearsal_changes_nothing_of_its_process() -> None:
    assert _python(LOOK) == "True []\n"


def test_a_rehearsal_goes_all_the_way_of_a_child_that_answers_calls() -> None:
    assert _python(ANSWERS) == "True\n"
