"""Python programs can import exactly the packages of `sandboxes/python/requirements.txt`, with every runner."""

# ruff: noqa: E501  # programs are data here, and easier to read on one line

import json
import shutil
from dataclasses import replace

import pytest

from sandboxes.protocol.constants import PROGRAM_PATH
from sandboxes.protocol.facts import End, TestFacts
from sandboxes.protocol.job import Run
from tests.runners.conftest import Bench
from tests.runners.test_contract import PATIENT
from verifier_service.languages import SANDBOXES, load_languages
from verifier_service.runners.bubblewrap import BubblewrapRunner
from verifier_service.schema.limits import MEMORY, PROCESSES, TIME
from verifier_service.settings import Settings

DEFAULTS = replace(
    PATIENT,
    time_limit_s=float(TIME.default or 0),
    memory_limit_mb=int(MEMORY.default or 0),
    max_processes=int(PROCESSES.default or 0),
)
LISTED = """
import importlib.metadata as m, json, pkgutil, sys
installed = sorted(f"{d.metadata['Name'].lower()}=={d.version}" for d in m.distributions())
folders = [folder for folder in sys.path if folder.endswith("-packages")]
others = [n.name for n in pkgutil.iter_modules(folders) if n.name not in m.packages_distributions()]
print(json.dumps([installed, others]))
"""


async def run(bench: Bench, source: str) -> TestFacts:
    (fact,) = await bench.facts(source, runs=(Run(),), limits=DEFAULTS)
    assert isinstance(fact, TestFacts)
    return fact


@pytest.mark.parametrize("started", ["", "import subprocess, sys\nsubprocess.run([sys.executable, '-c', {source!r}])"])
async def test_programs_and_what_they_start_import_the_same_with_every_runner(bench: Bench, started: str) -> None:
    fact = await run(bench, started.format(source=LISTED) or LISTED)
    lines = (SANDBOXES / "python" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = sorted(line for line in lines if line and not line.startswith("#"))
    assert (json.loads(fact.stdout or b"[]"), fact.message) == ([pinned, []], "")


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\na = np.arange(250_000.).reshape(500, 500)\nprint((a @ a).shape == (500, 500) and np.linalg.matrix_rank(a) == 2)",
        "import numpy as np\nprint(np.random.default_rng(0).normal(size=3).shape == (3,))",
        "from scipy import optimize, stats, sparse\nprint(abs(optimize.brentq(lambda x: x * x - 2, 0, 2) ** 2 - 2) < 1e-9)",
        "import pandas as pd\nprint(pd.DataFrame({'a': [1, 2, 2]}).groupby('a').size().tolist() == [1, 2])",
        "import sympy as s\nx = s.symbols('x')\nprint(s.integrate(2 * x, x) == x ** 2)",
        "import networkx as nx\nprint(nx.shortest_path(nx.path_graph(4), 0, 3) == [0, 1, 2, 3])",
        "from sortedcontainers import SortedList\ns = SortedList([3, 1]); s.add(2); print(list(s) == [1, 2, 3])",
        "import multiprocessing as mp, numpy as np\nif __name__ == '__main__':\n    with mp.get_context('fork').Pool(4) as p: print(p.map(np.sum, [[1], [2, 3]]) == [1, 5])",
    ],
)
async def test_the_libraries_work_under_the_default_limits(bench: Bench, source: str) -> None:
    fact = await run(bench, source)
    assert (fact.end, fact.exit_code, fact.stdout, fact.message) == (End.EXITED, 0, b"True\n", "")


@pytest.mark.bubblewrap
async def test_where_nothing_was_prepared_programs_have_the_standard_library_alone() -> None:
    """They do not get what happens to be installed, and tests that need pytest are refused."""
    runner = BubblewrapRunner(Settings(libraries="none"), load_languages())
    if problem := await runner.available():
        pytest.skip(problem)
    found = Bench(runner)
    try:
        fact = await run(found, LISTED)
        assert (json.loads(fact.stdout or b"[]"), fact.message) == ([[], []], "")
        assert "pytest" not in runner.known_languages["python"].test_kinds
        assert (await runner.languages())["python"].endswith(", the standard library alone")
    finally:
        await runner.close()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("bash", f"copy {SANDBOXES / 'bash' / 'compile-bash'} to /usr/local/bin and restart the service"),
        ("java", "LANGUAGES=java` builds it for VERIFIER_RUNNER=docker"),
        ("rust", f"install the Debian packages that {SANDBOXES / 'rust' / 'Dockerfile'} names"),
    ],
)
def test_a_language_that_this_machine_lacks_says_what_to_do(name: str, said: str) -> None:
    language = load_languages()[name]
    if shutil.which(language.compile[0], path=PROGRAM_PATH):
        pytest.skip(f"this machine has {language.compile[0]}")
    assert said in BubblewrapRunner(Settings(), load_languages()).hint(language)
