"""What a tester reports to the supervisor: the payload of an answer of kind REPORT, `{"NAME": record}` as JSON.

Which tests there are comes before the first of them runs; a test that is collected and never told is missing.
"""

import json
from dataclasses import dataclass

from sandboxes.protocol.facts import TesterTest
from sandboxes.protocol.records import BrokenRecord, pack, unpack


@dataclass(frozen=True, kw_only=True)
class Collected:
    """Every test that there is."""

    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """The test code cannot be used, whatever the submission is; nothing follows."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The tests have come to their end. `lost` says why the submission had not lived that long."""

    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Lied:
    """An object of the submission's own class affirms what it should not: nothing of the submission counts."""

    what: str


Report = Collected | TesterTest | Unusable | Lied | Finished
_REPORTS: dict[str, type[Report]] = {kind.__name__: kind for kind in (Collected, TesterTest, Unusable, Lied, Finished)}


def to_payload(report: Report) -> bytes:
    """Return the payload of a report."""
    return json.dumps({type(report).__name__: pack(report)[0]}).encode()


def from_payload(payload: bytes) -> Report:
    """Read a report.

    Raises:
        BrokenRecord: this is none.
    """
    try:
        ((name, record),) = json.loads(payload).items()
        return unpack(_REPORTS[name], record)
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BrokenRecord(f"not a report of a tester: {error}") from error
