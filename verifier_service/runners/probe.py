"""A runner's self-check: programs in a real box try to break every guarantee, and report what they saw."""

import json

from sandboxes.protocol.facts import End, Fact, TestFacts
from sandboxes.protocol.job import Job, Limits, Mode, Run
from verifier_service.errors import JudgeError
from verifier_service.languages import SANDBOXES
from verifier_service.runners.base import Check, Runner

PROBE = SANDBOXES / "programs" / "isolation_probe.py"
LIMITS = Limits(time_limit_s=1.0, wall_limit_s=60.0, memory_limit_mb=128, output_limit_kb=64, max_processes=16)

BREAKERS: dict[str, tuple[str, End]] = {
    "CPU time is limited": ("while True: pass", End.CPU_LIMIT),
    "memory is limited": ("x = []\nwhile True: x.append(bytearray(1 << 20))", End.MEMORY_LIMIT),
    "output is limited": ("while True: print('x' * 1000)", End.OUTPUT_LIMIT),
    "processes are limited": (
        "import os\ntry:\n    while True: os.fork() or os.wait()\nexcept OSError: pass",
        End.EXITED,
    ),
}
"""Programs that exceed a limit, and how each must end."""

LEAVER = (
    "import os, subprocess\n"
    "subprocess.Popen(['sleep', '60'], start_new_session=True)\n"
    "for folder in ('.', '/tmp', '/dev/shm'): open(folder + '/left', 'w').close()"
)
FINDER = (
    "import os\n"
    "alive = [p for p in os.listdir('/proc') if p.isdigit() and b'sleep' in open(f'/proc/{p}/comm', 'rb').read()]\n"
    "print([f for f in ('./left', '/tmp/left', '/dev/shm/left') if os.path.exists(f)] + alive)"
)


async def probe(runner: Runner) -> list[Check]:
    """Start a Python box, run the probes in it like submissions, and destroy it.

    Raises:
        RunnerUnavailable: no box can be started.
    """
    language = runner.known_languages["python"]
    box = await runner.start_box(language)

    async def run(source: str) -> TestFacts:
        nonlocal box
        if box.spent:
            await box.close()
            box = await runner.start_box(language)
        job = Job(mode=Mode.STDIO, source=source.encode(), toolchain=language.toolchain, limits=LIMITS, runs=(Run(),))
        facts: list[Fact] = [fact async for fact in box.run(job)]
        assert isinstance(facts[0], TestFacts)
        return facts[0]

    try:
        checks = _walls(await run(PROBE.read_text(encoding="utf-8")))
        for name, (source, end) in BREAKERS.items():
            fact = await run(source)
            checks.append(Check(name=name, ok=fact.end is end, detail=f"{fact.end} after {fact.time_s:.2f} CPU s"))
        await run(LEAVER)
        found = (await run(FINDER)).stdout.decode("utf-8", "replace").strip()
        checks.append(Check(name="the next program finds nothing", ok=found == "[]", detail=f"found: {found}"))
    except JudgeError as error:
        return [Check(name="programs run", ok=False, detail=str(error))]
    finally:
        await box.close()
    return checks


def _walls(fact: TestFacts) -> list[Check]:
    try:
        seen = json.loads(fact.stdout)
    except ValueError:
        return [Check(name="programs run", ok=False, detail=f"{fact.end}: {fact.message[-500:]}")]
    return [Check(name=name, ok=ok, detail=detail) for name, (ok, detail) in seen.items()]
