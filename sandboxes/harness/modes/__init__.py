"""The modes of running a program. To add one, write a module with `carry_out` and add a line to `MODES`."""

from collections.abc import Callable

from sandboxes.harness.modes import call, stdio, tested
from sandboxes.harness.processes import Processes
from sandboxes.protocol.job import Mode

MODES: dict[Mode, Callable[[Processes], None]] = {
    Mode.STDIO: stdio.carry_out,
    Mode.CALL: call.carry_out,
    Mode.ASSERT: tested.carry_out,
    Mode.PYTEST: tested.carry_out,
}
