"""Measured figures in README.md and docs/ are those of docs/measured.json, written there by `make figures`."""

import json
import re
from pathlib import Path

import pytest

from benchmarks.compare import compare
from benchmarks.documented import KEPT, WrongTag, by_id, fill, pages, without_figures, words
from benchmarks.figures import Better, Figure, Unit, figure
from benchmarks.keep import run_of, with_report, with_run
from benchmarks.parts import Form
from benchmarks.report import KeptRun, Report, read, write
from tests.docs.blocks import ROOT

MEASURED = read(KEPT)
FIGURES = by_id(MEASURED)
CALL = figure("code_speed/call/ratio", "call", [1.6, 1.6963, 1.7], Unit.TIMES, Better.HIGHER)
RIGHT = figure("math/right", "right", 0.99657, Unit.SHARE, Better.HIGHER)
LOST = figure("soak/lost", "lost", 20160, Unit.COUNT, Better.LOWER)
SOME = {one.id: one for one in (CALL, RIGHT, LOST)}


UNITS = r"ms|µs|ns|MiB|MB|%|times|×"
TYPED = re.compile(
    rf"(?<![\w.,$/-])\d[\d,.]*(?:(?: to | - |–)\d[\d,.]*)? ?(?:{UNITS})(?![\w-])"
    r"|(?<![\w.,])\d[\d,.]*x(?![\w-])|(?<![\w.,])\d[\d,.]*(?: \w+)?(?:/s\b| a second| per second)"
)
"""What looks like a measured figure: a number with one of the units that speeds, sizes and shares have.

Seconds are not among them, since limits and deadlines have them. Code, tagged figures and the targets of links are not
looked at.
"""
CONSTANTS = {
    "docs/explanation/judge-error.md": {"6 %"},  # follows from the formula above it
    "docs/how-to/gpus.md": {"15 %"},  # the tolerance of the check
    "docs/how-to/measure.md": {"15 %", "20 times", "60 MB"},  # tolerances, and what the parts do
    "docs/how-to/secure.md": {"100 MiB", "50 MiB"},  # advice on sizes, with room
    "docs/reference/code.md": {"32 MiB", "4 times"},  # limits
    "docs/reference/compat.md": {"256 MiB", "10 MB"},  # limits
    "docs/reference/trainer.md": {"95 %"},  # which interval
    "docs/questions.md": {"512 MiB"},  # the default limit
}
"""Numbers that are not measured but follow from the code: limits, defaults, tolerances."""


def typed_figures(text: str) -> set[str]:
    """Return everything that looks like a measured figure typed by hand."""
    links = re.sub(r"\]\([^)]*\)", "]", without_figures(text))
    return {found[0].strip() for found in TYPED.finditer(links)}


@pytest.mark.parametrize(
    "page", [page for page in pages() if page.name != "measured.md"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_no_measured_figure_is_typed_by_hand(page: Path) -> None:
    name = str(page.relative_to(ROOT))
    typed = typed_figures(page.read_text(encoding="utf-8")) - CONSTANTS.get(name, set())
    assert typed == set(), (
        "take them from docs/measured.json (see CONTRIBUTING.md), or add them to CONSTANTS with the reason"
    )


def test_typed_figures_are_found() -> None:
    text = (
        "It takes 4.9 ms, 30 to 40 MB, 99.7 % and is 2.16 times as fast at 252 programs a second; `9 ms` and "
        "[5 MB](a/6 MB) and <!--= a/b -->7 ms<!--/--> and 3 % less; 30 s is a limit, and x86 and 2x4 are names.\n"
    )
    assert typed_figures(text) == {
        "4.9 ms", "30 to 40 MB", "99.7 %", "2.16 times", "252 programs a second", "5 MB", "3 %"
    }  # fmt: skip


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_figures_of_a_page_are_those_that_are_kept(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert fill(text, FIGURES) == text, "make figures writes them"
    assert re.findall(r"^\s*<!--= .*", text, re.MULTILINE) == [], "a comment at the head of a line is a block of HTML"
    assert "<!--=" not in without_figures(text), "a figure ends with <!--/-->"


def test_no_two_kept_figures_have_one_id() -> None:
    every = [*MEASURED.figures, *(one for run in MEASURED.runs for one in run.figures)]
    assert len(every) == len(FIGURES)


def test_a_longer_run_says_what_was_run_where_and_when() -> None:
    for run in MEASURED.runs:
        assert run.command, run.part
        assert run.machine, run.part
        assert run.date, run.part
        assert [one.id for one in run.figures if not one.id.startswith(f"kept/{run.part}/")] == []
        assert [one.id for one in run.figures if not one.low <= one.value <= one.high] == []


@pytest.mark.parametrize(
    ("options", "written"),
    [("", "1.70"), (".1f", "1.7"), ("low", "1.60"), (".0f high", "2"), ("range .1f", "1.6 - 1.7")],
)
def test_a_figure_is_written_as_its_page_wants_it(options: str, written: str) -> None:
    assert words(CALL, options.split()) == written


def test_shares_are_percentages_and_counts_are_whole() -> None:
    assert (words(RIGHT, []), words(RIGHT, [".0%"]), words(LOST, [])) == ("99.7 %", "100 %", "20,160")


def test_figures_are_filled_in_everywhere_but_in_code() -> None:
    stale = "| a <!--= soak/lost -->1<!--/--> (<!--= math/right .2% -->x<!--/-->) | `<!--= soak/lost -->1<!--/-->` |\n"
    fence = "```text\n<!--= nothing -->1<!--/-->\n```\n"
    assert fill(stale + fence, SOME) == (
        "| a <!--= soak/lost -->20,160<!--/--> (<!--= math/right .2% -->99.66 %<!--/-->) "
        "| `<!--= soak/lost -->1<!--/-->` |\n" + fence
    )
    assert "1<" not in without_figures(stale)


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("<!--= nothing/there -->1<!--/-->", "no such figure"),
        ("<!--= soak/lost .2q -->1<!--/-->", "not a format"),
        ("<!--= soak/lost low high -->1<!--/-->", "more than one"),
    ],
)
def test_a_figure_that_is_not_kept_or_a_format_that_is_none_is_refused(tag: str, said: str) -> None:
    with pytest.raises(WrongTag, match=said):
        fill(f"a {tag}", SOME)


def test_a_report_takes_the_place_of_the_kept_one_and_leaves_the_longer_runs(tmp_path: Path) -> None:
    left = {
        "machine": {"cpu": "C", "cores": 2, "system": "S", "load before": 0.1, "date": "today"},
        "figures": [LOST.model_dump(mode="json")],
    }
    run = run_of("soak", "python -m benchmarks.soak", json.dumps(left))
    assert run == KeptRun(
        part="soak",
        command="python -m benchmarks.soak",
        machine="C, 2 cores, S, load before 0.1",
        date="today",
        figures=[LOST.model_copy(update={"id": "kept/soak/lost"})],
    )
    kept = Report(form=Form.QUICK, machine={}, parts=[], figures=[CALL])
    kept = with_run(with_run(kept, run), run)
    now = with_report(kept, Report(form=Form.QUICK, machine={}, parts=[], figures=[RIGHT]))
    write(now, tmp_path / "measured.json")
    assert read(tmp_path / "measured.json") == now
    assert by_id(now) == {RIGHT.id: RIGHT, "kept/soak/lost": run.figures[0]}


def test_longer_runs_are_not_compared_with() -> None:
    of_the_report: list[Figure] = MEASURED.figures
    assert {row.figure.id for row in compare(of_the_report, of_the_report)} <= {one.id for one in of_the_report}
