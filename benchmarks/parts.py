"""The parts of the benchmarks: which modules, with which arguments in each form, and how long each takes."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Form(StrEnum):
    """How much is measured."""

    TRY = "try"
    """Little of everything, to see that it works: its figures say nothing."""
    QUICK = "quick"
    FULL = "full"


@dataclass(frozen=True)
class Part:
    """A module of this package, and what it tells; a form without arguments leaves it out.

    `usual_s` is what the quick and the full form took on two quiet cores: it makes the time that is left, and no more.
    """

    title: str
    about: str
    arguments: dict[Form, list[str]]
    usual_s: dict[Form, int]


@dataclass(frozen=True)
class Asked:
    """What a run was asked to measure beside what is here."""

    against: str | None = None
    labelled: Path | None = None
    mbpp: Path | None = None


@dataclass(frozen=True)
class Step:
    """A part as it is run: its name is that of the JSON that it leaves."""

    name: str
    module: str
    arguments: list[str] = field(default_factory=list)
    usual_s: int = 10


PARTS: dict[str, Part] = {
    "code_speed": Part(
        "Code, beside programs without a sandbox",
        "Submissions a second in batches, all cores used by every row, and CPU time. Plain python3 runs the same "
        "function and asserts, a process for each.",
        {
            Form.TRY: ["--rounds", "1", "--batch", "32", "--lone", "5"],
            Form.QUICK: ["--rounds", "3", "--batch", "96", "--lone", "20"],
            Form.FULL: [],
        },
        {Form.QUICK: 60, Form.FULL: 240},
    ),
    "concurrency": Part(
        "Code at 1, 8, 64 and 256 at a time",
        "Requests of one submission each, beside as many bare processes, a throw-away container for each program, and "
        "what was named with AGAINST.",
        {
            Form.TRY: ["--rounds", "1", "--levels", "1", "8", "--count", "8"],
            Form.QUICK: ["--rounds", "3", "--count", "32"],
            Form.FULL: [],
        },
        {Form.QUICK: 45, Form.FULL: 150},
    ),
    "run_speed": Part(
        "Programs that are run and not judged",
        "print(1), 32 requests at a time, beside the least that a service without a sandbox does.",
        {
            Form.TRY: ["--rounds", "1", "--count", "64"],
            Form.QUICK: ["--rounds", "3", "--count", "192"],
            Form.FULL: [],
        },
        {Form.QUICK: 25, Form.FULL: 60},
    ),
    "growth": Part(
        "How cost grows",
        "Both axes are logarithmic: a cost in proportion is a line of slope 1. An exponent is that of the steepest "
        "step over a factor of four; above 1.15 it is worse than in proportion.",
        {
            Form.TRY: ["--largest", "8", "--repeats", "1", "--only", "cases"],
            Form.QUICK: ["--largest", "64", "--repeats", "3", "--only", "cases", "batches"],
            Form.FULL: [],
        },
        {Form.QUICK: 30, Form.FULL: 700},
    ),
    "code_under_load": Part(
        "The same verdicts on a busy machine",
        "Right programs sent all at once, none of which may time out; a batch of every verdict from one client and "
        "from eight at once; in the full form also beside a process that burns each core.",
        {
            Form.TRY: ["crowd", "--crowd", "8"],
            Form.QUICK: ["crowd", "eightfold", "--crowd", "64", "--each", "1"],
            Form.FULL: [],
        },
        {Form.QUICK: 40, Form.FULL: 500},
    ),
    "code_correctness": Part(
        "Right and wrong: code",
        "References of HumanEval (and MBPP, where its file was named), four ways around their tests, and this "
        "project's own cases with its attacks on the sandbox.",
        {Form.TRY: ["--sample", "10", "--cases", "10"], Form.QUICK: ["--cases", "80"], Form.FULL: []},
        {Form.QUICK: 40, Form.FULL: 150},
    ),
    "math_speed": Part(
        "Math, beside Math-Verify: speed",
        "Groups of eight completions with one reference, and unrelated items; as many processes for both.",
        {
            Form.TRY: ["--groups", "5", "--singles", "20", "--rounds", "1"],
            Form.QUICK: ["--groups", "8", "--singles", "50", "--rounds", "3"],
            Form.FULL: [],
        },
        {Form.QUICK: 30, Form.FULL: 180},
    ),
    "math_accuracy": Part(
        "Math, beside Math-Verify: right and wrong",
        "This project's own labelled cases, against which the judge was written. A file of yours says more: LABELLED.",
        {Form.TRY: ["--sample", "40"], Form.QUICK: ["--sample", "300"], Form.FULL: []},
        {Form.QUICK: 20, Form.FULL: 400},
    ),
    "math_labelled": Part(
        "Math, beside Math-Verify: the labelled file",
        "The file that was named with LABELLED.",
        {},
        {},
    ),
    "soak": Part(
        "Memory",
        "MiB of PSS of a box after each kind of job, and of the service over a long run of mixed submissions, a tenth "
        "of them hostile.",
        {Form.TRY: ["--count", "600"], Form.QUICK: ["--count", "600"], Form.FULL: []},
        {Form.QUICK: 45, Form.FULL: 1200},
    ),
    "stalls": Part(
        "Beside large requests",
        "How long /healthz waits while a request of 60 MB is read and judged.",
        {Form.TRY: ["--mb", "2"], Form.FULL: []},
        {Form.FULL: 300},
    ),
    "durable_kills": Part(
        "Killed again and again",
        "Durable submissions of a service that is killed 20 times.",
        {Form.TRY: ["--kills", "3"], Form.FULL: []},
        {Form.FULL: 180},
    ),
    "math_worst_cases": Part(
        "The slowest math",
        "Hostile answers, and texts as long as allowed.",
        {Form.FULL: []},
        {Form.FULL: 120},
    ),
    "cluster": Part(
        "Several nodes on Ray",
        "Programs that wait, judged by one, two and three nodes of four boxes, all on this machine.",
        {Form.FULL: []},
        {Form.FULL: 300},
    ),
    "demo_seeds": Part(
        "The demonstration",
        "Greedy accuracy on held-out problems before and after GRPO, and with a coin for a verifier; 95 % intervals.",
        {Form.FULL: ["demo", "0"]},
        {Form.FULL: 240},
    ),
}


def steps_of(form: Form, asked: Asked, only: list[str]) -> list[Step]:
    """Return what a run does; `only` are names of parts, or empty for all."""
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
