"""Run a special judge written in Python: `judge.py` next to this program, in its own box.

The arguments are the paths of stdin, expected and actual. A fourth argument, `check`, says that the judge is the
function `check`. Without it, a judge that does not define this function is a program that has already decided.

The exit code is 0 (accepted), 1 (wrong) or 3 (the judge crashed; Python itself would exit with 1, like a wrong answer).
A score strictly between 0 and 1 is written to `share.txt`.
"""

import sys
import traceback

CRASHED = 3


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()


def _ask() -> int:
    is_function = sys.argv[4:] == ["check"]
    del sys.argv[4:]
    scope = {"__name__": "__main__", "__file__": "judge.py"}
    exec(compile(_read("judge.py"), "judge.py", "exec"), scope)
    check = scope.get("check")
    if not callable(check):
        if is_function:
            raise NameError("the special judge defines no function `check`")
        return 0  # a program: to reject, it would have exited with 1 itself
    score = check(*(_read(path) for path in sys.argv[1:4]))
    if not isinstance(score, (bool, int, float)) or not 0 <= score <= 1:
        raise TypeError(f"check() returned {score!r}, which is neither a bool nor a score from 0 to 1")
    if 0 < score < 1:
        with open("share.txt", "w", encoding="ascii") as file:
            file.write(repr(float(score)))
    return 0 if score == 1 else 1


try:
    code = _ask()
except Exception:
    traceback.print_exc()
    code = CRASHED
sys.exit(code)
