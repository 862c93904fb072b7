"""What README.md shows is what happens: its curl commands, run as they stand, give the answers printed below them.

VERIFIER_E2E_URL names a service that already runs, for instance the composed one; else one is started.
"""

import json
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTED_URL = "http://127.0.0.1:8000"
COMMANDS = re.findall(r"^curl .*/v1/verify .*$", README, re.MULTILINE)
ANSWERS = re.findall(r'^\{"results": .*\}$', README, re.MULTILINE)
CUT = "..."
"""A key of this name in a documented result says that the real one has more fields."""


@pytest.fixture(scope="session")
def url(request: pytest.FixtureRequest) -> str:
    """The address of the service that the commands are sent to."""
    return os.environ.get("VERIFIER_E2E_URL") or request.getfixturevalue("verifier_url")


def _shown(documented: dict[str, Any], real: dict[str, Any]) -> dict[str, Any]:
    """The part of a real result that the documented one speaks of."""
    return {key: real.get(key) for key in documented if key != CUT} if CUT in documented else real


def test_every_command_has_its_answer() -> None:
    assert len(COMMANDS) == len(ANSWERS) >= 2


@pytest.mark.parametrize(("command", "answer"), list(zip(COMMANDS, ANSWERS, strict=False)))
def test_a_documented_command_gives_the_documented_answer(url: str, command: str, answer: str) -> None:
    words = shlex.split(command.replace(DOCUMENTED_URL, url))
    run = subprocess.run([*words, "--noproxy", "*"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=600)
    real, documented = json.loads(run.stdout)["results"], json.loads(answer)["results"]
    assert [_shown(*pair) for pair in zip(documented, real, strict=True)] == [
        {key: value for key, value in one.items() if key != CUT} for one in documented
    ]
