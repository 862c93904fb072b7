"""Measure everything that docs/measured.md tells of speed and growth, one after the other, on a quiet machine.

    python -m benchmarks                       # half an hour; tables and JSON in runs/benchmarks/, plots in docs/
    python -m benchmarks --try                 # the same with little of everything, plots in runs/benchmarks/

Each part can be had alone, as `python -m benchmarks.code_speed`, and has --help: code_speed, run_speed, growth, soak,
durable_kills, stalls, math_speed. It goes on when a part fails, names what failed, and ends with 1 then.
"""

import argparse
import subprocess
import sys

from benchmarks.results import FOLDER, console

PARTS: dict[str, tuple[list[str], list[str]]] = {
    "code_speed": ([], ["--rounds", "1", "--batch", "32", "--lone", "5"]),
    "run_speed": ([], ["--rounds", "1", "--count", "64"]),
    "growth": (["--plots", "docs"], ["--largest", "8", "--repeats", "1"]),
    "soak": ([], ["--count", "600"]),
    "durable_kills": ([], ["--kills", "3"]),
    "stalls": ([], ["--mb", "2"]),
    "math_speed": ([], ["--groups", "5", "--singles", "20"]),
}
"""Each module with its arguments, and with those of a short try."""


def main() -> None:
    """Run every part."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--try", dest="short", action="store_true", help="little of everything")
    short = parser.parse_args().short
    failed = []
    for name, (whole, little) in PARTS.items():
        console.rule(name)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(little if short else whole)]
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    console.print(f"[red]failed: {', '.join(failed)}" if failed else f"[green]done: {FOLDER}")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
