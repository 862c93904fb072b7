"""After the tests of the pages, list the blocks that could not be run here, by reason."""

from collections import defaultdict

import pytest

from tests.docs.blocks import PAGES, Mode, WrongComment, blocks_of


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the reasons for which blocks are only parsed."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for page in PAGES:
        for block in blocks_of(page):
            try:
                if block.mode is Mode.PARSED_ONLY:
                    reasons[block.argument].append(block.name)
            except WrongComment:
                pass  # its own test says so
    terminalreporter.section("code blocks that are only parsed")
    for reason, names in sorted(reasons.items()):
        terminalreporter.write_line(f"{reason}: {', '.join(names)}")
