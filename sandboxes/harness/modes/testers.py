"""The common part of all ways to run tests: warm interpreters, limits, and listing the tests."""

import os
import secrets
from dataclasses import dataclass, field

from sandboxes.harness.limits import ProcessLimits
from sandboxes.harness.processes import Processes
from sandboxes.harness.zygote import Zygote
from sandboxes.protocol.child import Answer, Role, TestOrders
from sandboxes.protocol.constants import MIB, TESTER_FOLDER
from sandboxes.protocol.facts import TesterTest
from sandboxes.protocol.job import Mode
from sandboxes.protocol.report import Collected, Report, Unusable, from_payload

PROGRAM_MODULES = ("sandboxes.harness.wall.server", "sandboxes.harness.child.open_files")
TESTER_MODULES = {
    Mode.ASSERT: (
        "sandboxes.harness.tester.main",
        "sandboxes.harness.tester.asserts",
        "sandboxes.harness.child.open_files",
    ),
    Mode.PYTEST: (
        "pytest",
        "_pytest.assertion.rewrite",
        "sandboxes.harness.tester.main",
        "sandboxes.harness.tester.pytest_files",
        "sandboxes.harness.child.open_files",
    ),
}
"""The modules that the processes of a test have imported before they are forked."""
TOTAL_CPU_S = 3600.0
"""The CPU limit of one process for all its tests together. It is only the safety net below the limit of each test."""
TESTER_CPU_S = 30.0
"""The CPU time that test code can use for one test beyond the program's limit, to generate or compare data."""
TESTER_WALL_S = 30.0
TESTER_MEMORY_MB = 1024
TESTER_PROCESSES = 64
TESTER_OUTPUT_BYTES = 256 * MIB
MIXED_OUTPUT_BYTES = 16 * MIB
"""How much tests can write per test in a process that they share with the program."""


def tester_zygote(processes: Processes) -> Zygote:
    """Return the warm interpreter for the job's tests."""
    return processes.box.zygote_with(TESTER_MODULES[processes.job.mode])


def tester_limits(own: ProcessLimits, zygote: Zygote) -> ProcessLimits:
    """Return the limits of a process that runs only test code; `own` are the program's limits."""
    return ProcessLimits(
        cpu_s=own.cpu_s + TESTER_CPU_S,
        wall_s=own.wall_s + TESTER_WALL_S,
        memory_mb=TESTER_MEMORY_MB,
        output_bytes=TESTER_OUTPUT_BYTES,
        processes=TESTER_PROCESSES,
        base_mb=zygote.base_mb,
        base_address_mb=zygote.base_address_mb,
        cpu_total_s=TOTAL_CPU_S,
    )


@dataclass
class Listing:
    """The list of tests.

    A test occurs in `ids` once for each row of parameters that is written out. `marked` are the tests that their
    author's marks can exclude. `unusable` says why the test code is unusable, if it is.
    """

    ids: tuple[str, ...] = ()
    marked: set[str] = field(default_factory=set)
    unusable: str = ""


def list_tests(processes: Processes) -> Listing:
    """List the tests, in a process that never sees the submission."""
    job, zygote = processes.job, tester_zygote(processes)
    folder = os.path.join(TESTER_FOLDER, secrets.token_hex(8))
    tests = TestOrders(mode=job.mode, files=job.tests, module=job.module, entry_point=job.entry_point, folder=folder)
    orders = processes.orders(Role.LIST, folder=TESTER_FOLDER, tests=tests)
    process = processes.start(orders, tester_limits(processes.limits(), zygote), zygote=zygote)
    listing = Listing()
    try:
        processes.finish(process)
        for kind, payload in process.answers():
            if kind == Answer.REPORT:
                _take(listing, from_payload(payload))
        if not listing.ids and not listing.unusable:
            listing.unusable = f"the tests cannot be listed. {process.message()[-500:]}".strip()
    finally:
        process.close()
    return listing


def _take(listing: Listing, report: Report) -> None:
    match report:
        case Collected(ids=ids):
            listing.ids = ids
        case TesterTest(id=test_id):
            listing.marked.add(test_id)
        case Unusable(why=why):
            listing.unusable = why
        case _:
            pass
