"""Put the kept figures of docs/measured.json into the pages that name them: `make figures`.

    python -m benchmarks.documented            # rewrites README.md and docs/
    python -m benchmarks.documented --check    # exits with 1 and names each page that is out of date

A page names a figure in a comment, and this module writes the text up to `<!--/-->`:

    `call` judges <!--= code_speed/call/ratio_to_python3 -->1.70<!--/--> times as many

The id can be followed by a Python format (`.1f`, `,.0f`, `.1%`) and by one of `low`, `high` and `range`. Without a
format, a figure has three digits and a share is a percentage. The page itself has to write the unit.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import Figure, Unit, number
from benchmarks.report import Report, read

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "measured.json"
TAG = re.compile(
    r"(?P<code>^ *(?P<fence>```+)[^\n]*\n.*?^ *(?P=fence) *$|`[^`\n]+`)"
    r"|(?P<begin><!--= +(?P<id>\S+)(?P<options>(?: +\S+)*?) +-->)(?P<text>[^\n]*?)<!--/-->",
    re.DOTALL | re.MULTILINE,
)
ENDS = ("low", "high", "range")


class WrongTag(Exception):
    """A page names a figure that is not kept, or an invalid format."""


def by_id(report: Report) -> dict[str, Figure]:
    """Return every figure of a report and of the runs kept with it, by id."""
    return {one.id: one for one in [*report.figures, *(one for run in report.runs for one in run.figures)]}


def pages() -> list[Path]:
    """Return the pages that can name figures."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def words(figure: Figure, options: Sequence[str]) -> str:
    """Write a figure in the form that a page asks for.

    Raises:
        WrongTag: An option is unknown.
    """
    formats = [one for one in options if one not in ENDS]
    ends = [one for one in options if one in ENDS]
    if len(formats) > 1 or len(ends) > 1:
        raise WrongTag(
            f"{figure.id}: {' '.join(options)} has more than one format, or more than one of {', '.join(ENDS)}"
        )
    form = formats[0] if formats else ""
    if ends == ["range"]:
        return f"{_written(figure.low, figure, form)} - {_written(figure.high, figure, form)}"
    value = figure.low if ends == ["low"] else figure.high if ends == ["high"] else figure.value
    return _written(value, figure, form)


def _written(value: float, figure: Figure, form: str) -> str:
    if not form:
        if figure.unit is Unit.SHARE:
            return number(value, figure.unit)
        return number(value, Unit.COUNT if figure.unit is Unit.COUNT else Unit.EXPONENT)
    try:
        return format(value, form).replace("%", " %")
    except ValueError:
        raise WrongTag(
            f"{figure.id}: {form} is not a format; use a Python format such as .1f, or one of {', '.join(ENDS)}"
        ) from None


def fill(text: str, figures: Mapping[str, Figure]) -> str:
    """Return a page with all its figures updated.

    Raises:
        WrongTag: The page names a figure that is not kept, or an invalid format.
    """

    def write(found: re.Match[str]) -> str:
        if found["code"]:
            return found[0]
        if found["id"] not in figures:
            raise WrongTag(f"{found['id']}: docs/measured.json has no such figure")
        return f"{found['begin']}{words(figures[found['id']], found['options'].split())}<!--/-->"

    return TAG.sub(write, text)


def without_figures(text: str) -> str:
    """Return a page without its code and without the figures that come from docs/measured.json."""
    return TAG.sub(lambda found: "`code`" if found["code"] else "<figure>", text)


def main() -> None:
    """Write the figures into the pages, or name the pages that are out of date."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing, and exit with 1 if a page would change")
    options = parser.parse_args()
    figures = by_id(read(KEPT))
    stale: list[str] = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        try:
            filled = fill(text, figures)
        except WrongTag as error:
            sys.exit(f"{page.relative_to(ROOT)}: {error}")
        if filled != text:
            stale.append(str(page.relative_to(ROOT)))
            if not options.check:
                page.write_text(filled, encoding="utf-8")
    if stale:
        print(f"{'out of date (run make figures)' if options.check else 'written'}: {', '.join(stale)}")
    sys.exit(bool(stale) and options.check)


if __name__ == "__main__":
    main()
