"""The parts of the benchmarks: their modules, their arguments in each form, and their usual durations."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Form(StrEnum):
    """How much to measure."""

    TRY = "try"
    """Just enough to check that everything works. Its figures mean nothing."""
    QUICK = "quick"
    FULL = "full"


@dataclass(frozen=True)
class Part:
    """A module of this package, and what it measures. A form without arguments skips it.

    `usual_s` is how long the quick and the full form take on two idle cores; it is only used to estimate the time left.
    """

    title: str
    about: str
    arguments: dict[Form, list[str]]
    usual_s: dict[Form, int]


@dataclass(frozen=True)
class Asked:
    """The additional inputs of a run: another server, labeled cases, MBPP."""

    against: str | None = None
    labelled: Path | None = None
    mbpp: Path | None = None


@dataclass(frozen=True)
class Step:
    """A part to run. Its name is that of the JSON file that it writes."""

    name: str
    module: str
    arguments: list[str] = field(default_factory=list)
    usual_s: int = 10


PARTS: dict[str, Part] = {
    "code_speed": Part(
        "Code, compared with programs without a sandbox",
        "Submissions per second in batches, and CPU time. Every row uses all cores. Plain python3 runs the same "
        "function and asserts in a process for each program.",
        {
            Form.TRY: ["--rounds", "1", "--batch", "32", "--lone", "5"],
            Form.QUICK: ["--rounds", "3", "--batch", "96", "--lone", "20"],
            Form.FULL: [],
        },
        {Form.QUICK: 60, Form.FULL: 240},
    ),
    "concurrency": Part(
        "Code at 1, 8, 64 and 256 at a time",
        "Requests with one submission each, compared with bare processes, a temporary container for each program, and "
        "the server given with --against.",
        {
            Form.TRY: ["--rounds", "1", "--levels", "1", "8", "--count", "8"],
            Form.QUICK: ["--rounds", "3", "--count", "32"],
            Form.FULL: [],
        },
        {Form.QUICK: 45, Form.FULL: 150},
    ),
    "run_speed": Part(
        "Programs that are run but not judged",
        "print(1), 32 requests at a time, compared with a minimal service without a sandbox.",
        {
            Form.TRY: ["--rounds", "1", "--count", "64"],
            Form.QUICK: ["--rounds", "3", "--count", "192"],
            Form.FULL: [],
        },
        {Form.QUICK: 25, Form.FULL: 60},
    ),
    "growth": Part(
        "How cost grows",
        "Both axes are logarithmic, so linear cost is a line of slope 1. The exponent is that of the steepest step "
        "over a factor of four; above 1.15, cost grows worse than linearly.",
        {
            Form.TRY: ["--largest", "8", "--repeats", "1", "--only", "cases"],
            Form.QUICK: ["--largest", "64", "--repeats", "3", "--only", "cases", "batches"],
            Form.FULL: [],
        },
        {Form.QUICK: 30, Form.FULL: 700},
    ),
    "code_under_load": Part(
        "The same verdicts on a busy machine",
        "Correct programs sent all at once, which must not time out; a batch with every verdict from one client and "
        "from eight at once; in the full form, also with every core busy.",
        {
            Form.TRY: ["crowd", "--crowd", "8"],
            Form.QUICK: ["crowd", "eightfold", "--crowd", "64", "--each", "1"],
            Form.FULL: [],
        },
        {Form.QUICK: 40, Form.FULL: 500},
    ),
    "code_correctness": Part(
        "Right and wrong: code",
        "Reference solutions of HumanEval (and of MBPP, if its file is given), four ways to cheat their tests, and "
        "this project's own cases and attacks on the sandbox.",
        {Form.TRY: ["--sample", "10", "--cases", "10"], Form.QUICK: ["--cases", "80"], Form.FULL: []},
        {Form.QUICK: 40, Form.FULL: 150},
    ),
    "math_speed": Part(
        "Math, compared with Math-Verify: speed",
        "Groups of eight completions with one reference, and unrelated items, with the same number of processes.",
        {
            Form.TRY: ["--groups", "5", "--singles", "20", "--rounds", "1"],
            Form.QUICK: ["--groups", "8", "--singles", "50", "--rounds", "3"],
            Form.FULL: [],
        },
        {Form.QUICK: 30, Form.FULL: 180},
    ),
    "math_accuracy": Part(
        "Math, compared with Math-Verify: right and wrong",
        "This project's labelled cases. The judge was written against them; a file of your own (--labelled) says more.",
        {Form.TRY: ["--sample", "40"], Form.QUICK: ["--sample", "300"], Form.FULL: []},
        {Form.QUICK: 20, Form.FULL: 400},
    ),
    "math_labelled": Part(
        "Math, compared with Math-Verify: the labelled file",
        "The file given with --labelled.",
        {},
        {},
    ),
    "soak": Part(
        "Memory",
        "Memory (PSS, in MiB) of a box after each kind of job, and of the service over a long run of mixed "
        "submissions, a tenth of them hostile.",
        {Form.TRY: ["--count", "600"], Form.QUICK: ["--count", "600"], Form.FULL: []},
        {Form.QUICK: 45, Form.FULL: 1200},
    ),
    "stalls": Part(
        "Responses during large requests",
        "How long /healthz takes while a request of 60 MB is read and judged.",
        {Form.TRY: ["--mb", "2"], Form.FULL: []},
        {Form.FULL: 300},
    ),
    "durable_kills": Part(
        "Killed again and again",
        "Durable submissions to a service that is killed 20 times.",
        {Form.TRY: ["--kills", "3"], Form.FULL: []},
        {Form.FULL: 180},
    ),
    "math_worst_cases": Part(
        "The slowest math",
        "Hostile answers, and texts of the maximum length.",
        {Form.FULL: []},
        {Form.FULL: 120},
    ),
    "cluster": Part(
        "Several nodes on Ray",
        "Programs that only wait, judged by one, two and three nodes with four boxes each, all on this machine.",
        {Form.FULL: []},
        {Form.FULL: 300},
    ),
    "demo_seeds": Part(
        "The demonstration",
        "Greedy accuracy on held-out problems before and after GRPO, and after training with random rewards; 95 % "
        "intervals.",
        {Form.FULL: ["demo", "0"]},
        {Form.FULL: 240},
    ),
}


def steps_of(form: Form, asked: Asked, only: list[str]) -> list[Step]:
    """Return the steps of a run. `only` limits it to some parts; empty means all."""
    more: dict[str, list[str]] = {}
    if asked.against:
        more["concurrency"] = ["--against", asked.against]
    if asked.mbpp:
        more["code_correctness"] = ["--mbpp", str(asked.mbpp)]
    steps = [
        Step(name, name, [*part.arguments[form], *more.get(name, [])], part.usual_s.get(form, 10))
        for name, part in PARTS.items()
        if form in part.arguments
    ]
    if asked.labelled:
        steps.append(Step("math_labelled", "math_accuracy", [str(asked.labelled), "--name", "math_labelled"], 60))
    return [one for one in steps if not only or one.name in only]
