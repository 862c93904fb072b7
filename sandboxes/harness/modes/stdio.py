"""Programs that read stdin and write stdout: a new process and a fact for each run."""

from dataclasses import replace

from sandboxes.harness.folder import JobRefused
from sandboxes.harness.process import Capture, Process
from sandboxes.harness.processes import Processes, Used
from sandboxes.protocol.child import Answer, Role
from sandboxes.protocol.constants import FOLDER_BYTES
from sandboxes.protocol.facts import End, TestFacts
from sandboxes.protocol.job import Run


def carry_out(processes: Processes) -> None:
    """Run the program with each input, until its source proves invalid or the budget is used up."""
    for index, run in enumerate(processes.job.runs):
        fact = _over_budget(processes, index) if processes.spending.is_used_up else _run(processes, index, run)
        processes.box.service.tell(fact)
        if fact.end in (End.NOT_COMPILED, End.BUDGET):
            return


def _over_budget(processes: Processes, index: int) -> TestFacts:
    return TestFacts(index=index, end=End.BUDGET, message=processes.spending.sentence)


def _run(processes: Processes, index: int, run: Run) -> TestFacts:
    job, folder = processes.job, processes.folder
    forked = not job.toolchain.run
    limits = processes.limits(processes.box.zygote if forked else None)
    if run.output_limit_kb is not None:
        limits = replace(limits, output_bytes=run.output_limit_kb * 1024)
    shared = folder.is_shared(run.files, run.fetch)
    orders = processes.orders(
        Role.SCRIPT if forked else Role.EXECUTE,
        argv=(*job.toolchain.run, *run.argv),
        private_folder=not shared,
    )
    try:
        folder.place(run.files, orders.uid)
    except JobRefused:
        if sum(map(len, run.files.values())) > FOLDER_BYTES // 2 or not job.toolchain.compile:
            raise
        folder.restore() if shared else processes.remove_files()
        message = "what was compiled leaves no room in the program's folder for the files of this test"
        return TestFacts(index=index, end=End.OUTPUT_LIMIT, message=message)
    capture = Capture.BOTH if job.keep_stderr else Capture.STDOUT
    process = processes.start(orders, limits, stdin=run.stdin, capture=capture)
    process.spending = processes.spending
    processes.spending.follow(process)
    try:
        used = processes.finish(process)
        counted_s = processes.spending.count(last=True).counted_s
        fact = replace(_fact(index, process, used), counted_s=max(counted_s, used.cpu_s))
        if fact.end is End.BUDGET:
            fact = replace(fact, message=processes.spending.sentence)
        if job.keep_stderr:
            fact = replace(fact, stdout=process.outputs[0].kept, stderr=process.outputs[1].kept)
        if fact.end is not End.OUTPUT_LIMIT:
            room = limits.output_bytes - sum(output.total for output in process.outputs)
            fact = replace(fact, files=folder.fetch(run.fetch, orders.uid, room))
        if index + 1 < len(job.runs):  # after the last run, the reset at the end of the job does this
            folder.restore() if shared else processes.remove_files()
        return fact
    finally:
        process.close()


def _fact(index: int, process: Process, used: Used) -> TestFacts:
    limit = process.broken_limit(used.cpu_s)
    end = limit or (End.SIGNALED if process.signal else End.EXITED)
    message = process.too_much() if end is End.OUTPUT_LIMIT else process.message()
    answers = dict(process.answers())
    if Answer.NOT_COMPILED in answers:
        end, message = End.NOT_COMPILED, answers[Answer.NOT_COMPILED].decode("utf-8", "replace")
    return TestFacts(
        index=index,
        end=end,
        exit_code=process.exit_code,
        signal=process.signal,
        stdout=b"" if end is End.OUTPUT_LIMIT else process.outputs[0].kept,
        message=message,
        time_s=used.cpu_s,
        wall_s=process.wall_s,
        memory_mb=process.peak_mb,
        signals=process.signals(left_processes=used.left_processes or Answer.LEFT_PROCESSES in answers),
    )
