"""The tests of code blocks find each error that a page can have."""

import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.docs import answers, bodies, commands
from tests.docs.blocks import ROOT, Block, Mode, WrongComment, blocks_of
from tests.docs.folder import shows
from tests.docs.test_blocks import Pages, elsewhere, same_as

PAGE = """# A page

<!-- test: file: numbers.txt -->
```text
3
```

```bash
export WHERE=here
cd docs
echo '{"n": '"$(cat ../numbers.txt)"', "run_s": 0.25}'
```

```json
{"n": 3, "run_s": 9.5}
```

1. in a list

   <!-- test: exits 1 -->
   ```bash
   false
   ```

```bash
echo "$WHERE ${PWD##*/} http://127.0.0.1:8000 http://localhost:8000/x"
```

<!-- test: output -->
```text
here docs ...
```

```
no language
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """A page with one block of each kind."""
    path = tmp_path / "page.md"
    path.write_text(PAGE.replace("exits 1", "exits: 1"))
    return path


@pytest.fixture
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The runner of the blocks, with a service that needs no more than an address."""
    found = Pages("http://127.0.0.1:4711", tmp_path_factory)
    yield found
    found.close()


def block(body: str, language: str = "bash", comment: str = "") -> Block:
    """A block of a page that does not exist."""
    return Block(Path("/page.md"), 1, language, body, comment)


def test_blocks_are_read_with_their_lines_languages_and_comments(page: Path) -> None:
    found = [(one.line, one.language, one.mode, one.argument) for one in blocks_of(page)]
    assert found == [
        (4, "text", Mode.FILE, "numbers.txt"),
        (8, "bash", Mode.PLAIN, ""),
        (14, "json", Mode.PLAIN, ""),
        (21, "bash", Mode.EXITS, "1"),
        (25, "bash", Mode.PLAIN, ""),
        (30, "text", Mode.OUTPUT, ""),
        (34, "", Mode.PLAIN, ""),
    ]


def test_blocks_of_a_page_follow_one_another_in_one_shell_and_one_folder(page: Path, pages: Pages) -> None:
    problems = [pages.problem_of(one, long=True) for one in blocks_of(page)]
    assert problems[:-1] == [None] * 6
    assert problems[-1] is not None
    assert "no language" in problems[-1]
    assert pages._printed is not None
    assert pages._printed.stdout == "here docs http://127.0.0.1:4711 http://127.0.0.1:4711/x\n"


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ('"n": 3', '"n": 4', 14, "n: the page shows 4, it is 3"),
        ('"run_s": 9.5', '"run_s": "9"', 14, "run_s"),
        ('"run_s": 9.5', '"other_s": 9.5', 14, "keys that are not there"),
        ("false", "true", 21, "status 0"),
        ("here docs ...", "there docs ...", 30, "something else"),
        ("export WHERE=here", "exit 3", 8, "status 3"),
        ("export WHERE=here", "echo oops >&2; missing-program", 8, "oops"),
    ],
)
def test_what_is_not_as_the_page_says_is_found(
    page: Path, pages: Pages, before: str, after: str, line: int, said: str
) -> None:
    page.write_text(page.read_text().replace(before, after, 1))
    (one,) = [one for one in blocks_of(page) if one.line == line]
    assert said in (pages.problem_of(one, long=True) or "")


SERVED = """
```bash
echo '{"n": 1}' > readyz
export VERIFIER_PORT=1
sleep 600 & echo "$!" > left
```

<!-- test: serves -->
```bash
exec python -m http.server "$VERIFIER_PORT" --bind 127.0.0.1
```

```bash
curl -s http://127.0.0.1:8000/readyz "$VERIFIER_URL/readyz"
```

```json
{"n": 1} {"n": 1}
```

<!-- test: serves -->
```bash
echo it is over; exit 3
```
"""


def runs(pid: int) -> bool:
    """Return whether a process is running, and not just waiting to be reaped by its new parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_service_that_a_page_starts_answers_the_rest_of_the_page_and_ends_with_it(page: Path, pages: Pages) -> None:
    page.write_text(SERVED)
    *working, ending = blocks_of(page)
    assert [pages.problem_of(one, long=True) for one in working] == [None] * 4
    assert pages._folder is not None
    url, left = pages._folder.url, int((pages._folder.path / "repository" / "left").read_text())
    assert httpx.get(f"{url}/readyz").json() == {"n": 1}
    assert "it is over" in (pages.problem_of(ending, long=True) or "")
    assert runs(left)
    pages.close()
    while runs(left):
        os.sched_yield()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/readyz")


def test_make_finds_the_environment_as_it_is_and_the_scripts_where_they_are(page: Path, pages: Pages) -> None:
    script = "[ -x sandboxes/build ]\nmake --dry-run check > lines\nif grep scripts/install lines; then exit 1; fi\n"
    page.write_text(f"```bash\n{script}```\n")
    (one,) = blocks_of(page)
    assert pages.problem_of(one, long=True) is None


def test_a_block_that_needs_minutes_is_not_run_for_the_one_after_it(page: Path, pages: Pages) -> None:
    page.write_text("<!-- test: long -->\n```bash\necho ran > ran\n```\n\n```bash\n[ ! -e ran ]\n```\n")
    first, second = blocks_of(page)
    assert pages.problem_of(second, long=False) is None
    assert pages.problem_of(first, long=True) is None


@pytest.mark.parametrize("comment", ["run it", "outputs", "output: x", "file", "parsed only", "elsewhere:"])
def test_a_comment_that_is_not_known_or_not_whole_is_refused(comment: str) -> None:
    with pytest.raises(WrongComment):
        _ = block("", comment=comment).mode


def test_the_colon_may_be_left_out() -> None:
    for comment in ("type: Submission", "type Submission"):
        assert (block("", comment=comment).mode, block("", comment=comment).argument) == (Mode.TYPE, "Submission")


def test_a_script_is_cut_into_commands_as_bash_does() -> None:
    script = """
A=1 one 'two three' "$(four; five)" \\
  six # seven
eight > nine 2>&1 | ten && {
  cat <<'END' > file
python -m nothing
END
}
"""
    assert commands.commands_of(script) == [
        ["A=1", "one", "two three", "$(four; five)", "six"],
        ["eight"],
        ["ten"],
        ["{"],
        ["cat"],
        ["}"],
    ]


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("if true", "syntax error"),
        ("python -m verifier_service serve --prot 1", "No such option"),
        ("A=1 python -m verifier_service serve --port many", "many"),
        ("docker compose exec verifier python -m verifier_service keys ad alice", "No such command"),
        ("exec .venv/bin/grpo-verifier doktor", "No such command"),
        ("accelerate launch -m trainer train", "Missing argument"),
        ("grpo-trainer train demo --sed 1", "No such option"),
        ("python -m verifier_service keys add alice", "Missing option"),
        ("python -m benchmarks.nothing", "no such module"),
        ("python -m benchmarks.soak --cuont 5", "--cuont is not an option"),
        ("make tset", "no such target"),
        ("make demo RECIPES=demo", "RECIPES"),
        ("VERIFIER_RUNER=docker true", "VERIFIER_RUNER is not a setting"),
    ],
)
def test_a_command_line_that_our_programs_would_refuse_is_found(script: str, said: str) -> None:
    (found,) = commands.complaints(script)
    assert said in found


@pytest.mark.parametrize(
    "script",
    [
        'python -m verifier_service serve --port "$PORT"',
        "grpo-verifier --version; grpo-trainer train demo --set grpo.max_steps=1 > log 2>&1",
        "srun python -m trainer train RECIPE.yaml --resume",
        "make sandboxes LANGUAGES='python cpp'",
        "pip install 'grpo-verifier[service]'",
        "python -m benchmarks --only soak --full",
        "export VERIFIER_KEYS_FILE=keys.jsonl\npython -m verifier_service keys add alice",
    ],
)
def test_a_command_line_that_our_programs_take_is_not_found(script: str) -> None:
    assert commands.complaints(script) == []


def test_a_file_that_is_not_there_is_found() -> None:
    script = "cat docs/nothing.md docs/*.json @tests/e2e/math.json runs/x --file=deploy/nothing.yaml tests/e2e/run::x"
    assert [one.partition(":")[0] for one in commands.missing_paths(script)] == [
        "docs/nothing.md",
        "deploy/nothing.yaml",
    ]


def test_what_changes_the_machine_is_never_run() -> None:
    (found,) = commands.forbidden("A=1 .venv/bin/pip install x; pip wheel y; docker ps")
    assert "`pip install` changes the machine" in found


@pytest.mark.parametrize(
    ("body", "language", "said"),
    [
        ("from verifier_service.client import Nothing", "python", "Nothing"),
        ("import trainer.nothing", "python", "nothing"),
        ("def f(:", "python", "line 1"),
        ('{"a": ...}', "json", "Expecting value"),
        ("a: [", "yaml", "flow node"),
        ("a = ", "toml", "value"),
        ("[a", "ini", "header"),
        ("x", "klingon", "a block is one of"),
    ],
)
def test_a_block_that_its_reader_refuses_is_found(body: str, language: str, said: str) -> None:
    assert said in "".join(bodies.complaints(block(body, language)))


@pytest.mark.parametrize(
    ("body", "type_", "said"),
    [
        ('{"kind": "math", "completion": "1"}', "Submission", "reference"),
        ('{"kind": "math", "verdict": "accepted", "sccore": 1}', "MathResult", "sccore"),
        ("{}", "Nothing", "not a type"),
        ("grpo: {max_stepps: 3}", "recipe", "max_stepps"),
        ("replicaCount: [", "helm values", "error"),
        ("mixed_precisionn: bf16", "accelerate", "mixed_precisionn"),
    ],
)
def test_a_body_that_is_not_of_its_type_is_found(body: str, type_: str, said: str) -> None:
    assert said in "".join(bodies.complaints_of_type(block(body, "json", f"type: {type_}")))


def test_a_body_of_its_type_is_not_found() -> None:
    assert bodies.complaints_of_type(block('{"kind": "math", "completion": "1", "reference": "1"}', "json",
                                           "type: Submission")) == []  # fmt: skip
    assert bodies.recipe("repair: {max_turns: 2}") == []


def test_a_block_that_shows_a_file_is_the_whole_of_it() -> None:
    body = (ROOT / "examples" / "rllm_reward.py").read_text()
    said = "same as: examples/rllm_reward.py"
    assert same_as(block(body, "python", said)) is None
    assert "the page has None" in (same_as(block(body.rsplit("\n", 2)[0], "python", said)) or "")
    other = body.replace("client = VerifierClient()", "client = 1")
    assert "'client = 1'" in (same_as(block(other, "python", said)) or "")
    assert "no such file" in (same_as(block(body, "python", "same as: examples/nothing.py")) or "")


def test_a_block_that_is_run_elsewhere_stands_there() -> None:
    assert elsewhere(block("docker compose up --build -d  # images", comment="elsewhere: tests/e2e/run")) is None
    assert "make tea" in (elsewhere(block("make tea", comment="elsewhere: tests/e2e/run")) or "")
    assert "no such file" in (elsewhere(block("make tea", comment="elsewhere: tests/nothing")) or "")


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n...\nb", "a\nx\ny\nb\n", True),
        ("a\n...\nb", "a\nb\n", True),
        ("a ... b", "a 12 b   ", True),
        ("a", "a\nb", False),
        ("a...", "b", False),
    ],
)
def test_dots_stand_for_what_a_page_leaves_out(shown: str, printed: str, same: bool) -> None:
    assert shows(shown, printed) is same


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ({"a": 1, "...": "..."}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"id": "0b5e..."}, {"id": "0b5e12"}, True),
        ({"ids": ["0b5e..."]}, {"ids": ["ffff"]}, True),
        ({"id": "0b5e..."}, {"id": "ffff"}, False),
        ([1, "..."], [1, 2, 3], True),
        ([1], [1, 2], False),
        ({"a": 1.0}, {"a": 1}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": None}, {"a": 0}, False),
        ({"made_by": {"verifier": "0.1"}}, {"made_by": {"verifier": "0.2"}}, True),
        ({"made_by": {"verifier": "0.1"}}, {"made_by": {"other": "0.2"}}, False),
    ],
)
def test_an_answer_is_compared_but_for_what_differs_each_time(
    shown: answers.Json, real: answers.Json, same: bool
) -> None:
    assert (answers.difference(shown, real) is None) is same
