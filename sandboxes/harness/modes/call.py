"""Calls: one process answers the cases one by one. If it ends or exceeds a limit, a new one continues."""

import signal
from dataclasses import replace

from sandboxes.harness.process import Process
from sandboxes.harness.processes import Processes
from sandboxes.protocol.child import Answer, Role
from sandboxes.protocol.facts import End, TestFacts

CLOSER_LOOK_S = 0.005
_ENDS = {
    Answer.RETURNED: End.RETURNED,
    Answer.RAISED: End.RAISED,
    Answer.NOT_PLAIN: End.NOT_PLAIN,
    Answer.OUT_OF_MEMORY: End.MEMORY_LIMIT,
}
_LOAD_ENDS = {
    Answer.RAISED: End.RAISED,
    Answer.OUT_OF_MEMORY: End.MEMORY_LIMIT,
    Answer.NOT_COMPILED: End.NOT_COMPILED,
}
"""The meaning of an answer: to a call, and while the module is being loaded."""
_EXPECTED = frozenset({None, Answer.READY, Answer.LEFT_PROCESSES, *_ENDS, *_LOAD_ENDS})


def carry_out(processes: Processes) -> None:
    """Run all cases, until the budget is used up."""
    cases = len(processes.job.calls)
    zygote = processes.box.zygote
    limits = processes.limits(zygote, cpu_total_s=processes.job.limits.time_limit_s * cases)
    index = 0
    while index < cases:
        if processes.spending.is_used_up:
            sentence = processes.spending.sentence
            processes.box.service.tell(TestFacts(index=index, end=End.BUDGET, message=sentence))
            return
        process = processes.start(processes.orders(Role.CALLS), limits)
        try:
            index = _Calls(processes, process).answer_from(index)
        finally:
            process.dismiss()
            processes.end(process)
            process.close()


class _Calls:
    """The cases that one process answers."""

    def __init__(self, processes: Processes, process: Process) -> None:
        self._processes = processes
        self._process = process
        self._box = processes.box
        self._calls = processes.job.calls
        self._left_processes = False
        process.spending = processes.spending
        processes.spending.follow(process)

    def answer_from(self, index: int) -> int:
        """Send the process the cases from `index` on, report a fact for each, and return the case to continue with."""
        if not self._load(index):
            return len(self._calls)
        for case in range(index, len(self._calls)):
            self._process.channel.send(self._calls[case])
            answer = self._wait()
            if answer is None or answer[0] not in _ENDS or self._process.channel.ahead:
                fact = self._end_of_process(case)
                self._tell(fact)
                return len(self._calls) if fact.end is End.BUDGET else case + 1
            fact = self._answered(case, *answer)
            self._tell(fact)
            if fact.end not in (End.RAISED, End.RETURNED, End.NOT_PLAIN):
                return case + 1
            if self._processes.spending.was_used_up:
                return case + 1
            if case + 1 < len(self._calls):
                self._process.begin_next()
        self._processes.over()
        return len(self._calls)

    def _load(self, index: int) -> bool:
        """Wait until the module is loaded. A failure would be the same for every case, so all of them get this fact."""
        answer = self._wait()
        if answer is not None and answer[0] == Answer.READY and not self._process.channel.ahead:
            if not self._box.by_uids:
                self._process.find_inner_pid()
            return True
        if answer is not None and answer[0] in _LOAD_ENDS:
            end, text = _LOAD_ENDS[Answer(answer[0])], answer[1].decode("utf-8", "replace")
            fact = self._fact(index, end, message=text)
        else:
            fact = self._end_of_process(index)
        self._tell(fact)
        for case in range(index + 1, len(self._calls)):
            self._tell(replace(fact, index=case, time_s=0.0, wall_s=0.0))  # the time for loading counts once
        return False

    def _wait(self) -> tuple[int, bytes] | None:
        """Wait for the next answer. Return None if the process ends without one."""
        process = self._process
        while True:
            answer = process.channel.take()
            if answer is not None and answer[0] == Answer.LEFT_PROCESSES:
                self._left_processes = True  # the program has ended, and its status comes next
                continue
            if answer is not None or process.ended is not None or process.killed_for:
                return answer if process.killed_for is None else None
            if process.channel.ended or process.channel.next_kind not in _EXPECTED:
                process.kill()  # it has closed its channel or writes garbage to it: no answer can follow
            self._box.turn()

    def _fact(self, case: int, end: End, *, value: bytes = b"", message: str = "") -> TestFacts:
        """Return a fact with the case's usage. A case that took longer is measured more closely."""
        process = self._process
        wall_s = process.wall_s
        time_s = process.test_cpu_s(closely=wall_s > CLOSER_LOOK_S) if process.ended is None else process.end_cpu_s()
        return TestFacts(
            index=case,
            end=end,
            value=value,
            message=message,
            time_s=time_s,
            wall_s=wall_s,
            memory_mb=process.peak_mb,
            counted_s=self._processes.spending.count(
                last=process.ended is not None or case + 1 == len(self._calls)
            ).counted_s,
        )

    def _answered(self, case: int, kind: int, payload: bytes) -> TestFacts:
        end = _ENDS[Answer(kind)]
        if end is End.RETURNED:
            fact = self._fact(case, end, value=payload)
        else:
            fact = self._fact(case, end, message=payload.decode("utf-8", "replace"))
        limits = self._process.limits
        if fact.time_s > limits.cpu_s:
            return replace(fact, end=End.CPU_LIMIT, value=b"", message="")
        if fact.memory_mb > limits.memory_mb + limits.base_mb:
            return replace(fact, end=End.MEMORY_LIMIT, value=b"", message="")
        return fact

    def _end_of_process(self, case: int) -> TestFacts:
        """Return the fact for a case whose process ended before it had answered."""
        process = self._process
        self._processes.end(process)
        killed = self._box.clean((0,))
        process.drain_rest()
        assert process.ended is not None
        process.ended.cpu_s += killed.cpu_s
        left = killed.found or self._left_processes
        fact = self._fact(case, End.LOST)
        limit = process.broken_limit(fact.time_s)
        message = self._processes.spending.sentence if limit is End.BUDGET else process.message()
        if limit is None:
            code = f"exit code {process.exit_code}"
            how = f"signal {signal.strsignal(process.signal) or process.signal}" if process.signal else code
            message = f"the program ended ({how}) before it had answered. {message}".strip()
        elif limit is End.OUTPUT_LIMIT:
            message = process.too_much()
        return replace(
            fact,
            end=limit or End.LOST,
            message=message,
            exit_code=process.exit_code,
            signal=process.signal,
            signals=process.signals(left_processes=left, owed_an_answer=limit is None),
        )

    def _tell(self, fact: TestFacts) -> None:
        self._box.service.tell(fact)
