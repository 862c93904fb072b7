"""Run all benchmarks, part by part, and write one report: JSON for programs, and a page for people.

    python -m benchmarks                       # quick form, some minutes: runs/benchmarks/report.json and .html
    python -m benchmarks --full                # full form, more than an hour
    python -m benchmarks --try                 # smallest form: checks that everything runs; its figures mean nothing
    python -m benchmarks --check REPORT.json              # also compare with an earlier report; exits with 1 if worse
    python -m benchmarks --against http://127.0.0.1:8080 --labelled CASES.jsonl --mbpp MBPP.jsonl

Run it on a quiet machine and as root: boxes run as other users, whose memory and CPU time only root can read. Each part
also runs alone, such as `python -m benchmarks.code_speed`, and has --help. If a part fails, the others still run; the
failed parts are named at the end, and the exit code is 1.
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from benchmarks import compare, page, report
from benchmarks.parts import PARTS, Asked, Form, Step, steps_of
from benchmarks.report import Outcome, Report
from benchmarks.results import FOLDER, WITHIN_A_RUN, console, machine
from verifier_service.schema.base import counted

INTERRUPTED = 130


def run(step: Step) -> Outcome:
    """Run one part, after removing the results of an earlier run."""
    for path in [FOLDER / f"{step.name}.json", *FOLDER.glob(f"{step.name}-*.svg")]:
        path.unlink(missing_ok=True)
    started = time.monotonic()
    try:
        command = [sys.executable, "-m", f"benchmarks.{step.module}", *step.arguments]
        exit_code = subprocess.run(command, check=False, env=os.environ | {WITHIN_A_RUN: "1"}).returncode
    except KeyboardInterrupt:
        exit_code = INTERRUPTED
    return Outcome(name=step.name, seconds=round(time.monotonic() - started, 1), exit_code=exit_code)


def run_all(steps: list[Step]) -> list[Outcome]:
    """Run all parts and print progress. An interrupt ends the run after the finished parts."""
    outcomes: list[Outcome] = []
    for n, step in enumerate(steps):
        left = minutes(time_left_s(steps, outcomes))
        console.rule(f"{n + 1} of {len(steps)}: {step.name}, about {left} left")
        outcomes.append(run(step))
        if outcomes[-1].exit_code == INTERRUPTED:
            break
    return outcomes


def time_left_s(steps: list[Step], done: list[Outcome]) -> float:
    """Return the usual time of the remaining parts, scaled by the pace so far."""
    usual = sum(step.usual_s for step in steps[: len(done)])
    pace = sum(one.seconds for one in done) / usual if usual else 1.0
    return pace * sum(step.usual_s for step in steps[len(done) :])


def minutes(seconds: float) -> str:
    """Format a duration for people."""
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def main() -> None:
    """Run the benchmarks, write the report, and compare it."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    forms = parser.add_mutually_exclusive_group()
    for form in (Form.TRY, Form.FULL):
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, default=Form.QUICK)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=[], metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--check", type=Path, metavar="REPORT", help="an earlier report.json to compare with")
    parser.add_argument("--against", metavar="URL", help="a server that speaks SandboxFusion's or Piston's protocol")
    parser.add_argument(
        "--labelled", type=Path, help="labelled math cases: JSON lines with gold, response and expected"
    )
    parser.add_argument("--mbpp", type=Path, help="MBPP as a JSONL file")
    options = parser.parse_args()
    for path in (options.labelled, options.mbpp):
        if path and not path.is_file():
            parser.error(f"there is no file {path}")
    kept = read_kept(parser, options.check)
    about = machine()
    asked = Asked(options.against, options.labelled, options.mbpp)
    outcomes = run_all(steps_of(options.form, asked, options.only))
    figures = [figure for one in outcomes for figure in report.figures_in(FOLDER, one.name)]
    found = Report(form=options.form, machine=about, parts=outcomes, figures=figures)
    rows = compare.compare(kept.figures, figures) if kept else []
    report.write(found, FOLDER / "report.json")
    (FOLDER / "report.html").write_text(page.page(found, FOLDER, rows), encoding="utf-8")
    sys.exit(tell(found, kept, rows))


def read_kept(parser: argparse.ArgumentParser, path: Path | None) -> Report | None:
    """Read the earlier report before measuring anything, so that a wrong file fails at once."""
    if path is None:
        return None
    try:
        return report.read(path)
    except (OSError, ValueError) as error:
        parser.error(f"--check {path}: {str(error).splitlines()[0]}")


def tell(found: Report, kept: Report | None, rows: list[compare.Row]) -> bool:
    """Print where the report is and what is wrong with it. Return whether anything is."""
    console.rule("the report")
    if kept:
        if kept.form is not found.form:
            console.print(f"[yellow]the earlier report has the {kept.form} form, this one the {found.form} form[/]")
        compare.table_of(rows).show()
    worse = compare.worse(rows)
    if found.busy:
        console.print("[yellow]the machine was busy at the start: do not publish this report[/]")
    if found.failed:
        console.print(f"[red]failed: {', '.join(found.failed)}[/]")
    if worse:
        console.print(f"[red]worse: {', '.join(worse)}[/]")
    console.print(
        f"{counted(len(found.figures), 'figure')}: {FOLDER / 'report.json'}, {FOLDER / 'report.html'}", soft_wrap=True
    )
    return bool(found.failed or worse)


if __name__ == "__main__":
    main()
