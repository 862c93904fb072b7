"""The reports of a tester to the supervisor: the payload of an answer of kind REPORT, `{"NAME": record}` as JSON.

The list of tests comes before the first test runs. A test that was collected but never reported counts as missing.
"""

import json
from dataclasses import dataclass

from sandboxes.protocol.facts import TesterTest
from sandboxes.protocol.records import BrokenRecord, pack, unpack


@dataclass(frozen=True, kw_only=True)
class Collected:
    """The ids of all tests."""

    ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """The test code is unusable for any submission. Nothing follows."""

    why: str


@dataclass(frozen=True, kw_only=True)
class Finished:
    """All tests have run. `lost` says why the submission's process ended before that, if it did."""

    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Lied:
    """An object of the submission's own class made an impossible claim: no test counts."""

    what: str


Report = Collected | TesterTest | Unusable | Lied | Finished
_REPORTS: dict[str, type[Report]] = {kind.__name__: kind for kind in (Collected, TesterTest, Unusable, Lied, Finished)}


def to_payload(report: Report) -> bytes:
    """Return the payload of a report."""
    return json.dumps({type(report).__name__: pack(report)[0]}).encode()


def from_payload(payload: bytes) -> Report:
    """Read a report.

    Raises:
        BrokenRecord: The payload is not a report.
    """
    try:
        ((name, record),) = json.loads(payload).items()
        return unpack(_REPORTS[name], record)
    except (ValueError, KeyError, AttributeError, RecursionError) as error:
        raise BrokenRecord(f"not a report of a tester: {error}") from error
