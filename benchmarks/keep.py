"""Keep measurements in docs/measured.json, the source of the manual's figures.

    python -m benchmarks.keep runs/benchmarks/report.json
    python -m benchmarks.keep runs/benchmarks/soak.json --as soak --command "python -m benchmarks.soak --count 20160"

The first command replaces the kept report of `make bench`. The second keeps a longer run of one part alongside the
report: the ids of its figures begin with `kept/`, here `kept/soak/`, and it replaces the earlier run of that name.
`make figures` then writes all of them into the pages.
"""

import argparse
import json
from pathlib import Path

from benchmarks.documented import KEPT
from benchmarks.figures import Figure
from benchmarks.report import KeptRun, Report, read, write


def with_report(kept: Report, new: Report) -> Report:
    """Replace the kept report by this one. The longer runs stay."""
    return new.model_copy(update={"runs": kept.runs})


def with_run(kept: Report, run: KeptRun) -> Report:
    """Keep a longer run, replacing the one of that name."""
    others = [one for one in kept.runs if one.part != run.part]
    return kept.model_copy(update={"runs": sorted([*others, run], key=lambda one: one.part)})


def run_of(part: str, command: str, left: str) -> KeptRun:
    """Read the results of one part of the benchmarks.

    Raises:
        ValueError: The file is not the JSON of a part.
    """
    content = json.loads(left)
    found = [Figure.model_validate(one) for one in content["figures"]]
    machine = content["machine"]
    ids = [f"kept/{part}/{one.id.partition('/')[2]}" for one in found]
    figures = [one.model_copy(update={"id": id_}) for one, id_ in zip(found, ids, strict=True)]
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['system']}, load before {machine['load before']}"
    return KeptRun(part=part, command=command, machine=where, date=machine["date"], figures=figures)


def main() -> None:
    """Keep a report, or one run of one part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="report.json, or the JSON of one part")
    parser.add_argument("--as", dest="part", metavar="NAME", help="keep it as the longer run of this name")
    parser.add_argument("--command", default="", help="the command of the longer run")
    parser.add_argument("--into", type=Path, default=KEPT, help="default: docs/measured.json")
    options = parser.parse_args()
    kept = read(options.into)
    if options.part is None:
        kept = with_report(kept, read(options.file))
    else:
        kept = with_run(kept, run_of(options.part, options.command, options.file.read_text(encoding="utf-8")))
    write(kept, options.into)


if __name__ == "__main__":
    main()
