"""Ask a special judge, itself an untrusted program in a box, whether an output is right.

Python: `check(stdin, expected, actual)` returns True, False or a score from 0 to 1 (1 is accepted). Any language: a
program that is given the paths of three files (stdin, expected, actual) and ends with 0 (accepted) or 1 (wrong), with
a reason on its stdout. Whatever else it does is our failure, `judge_error`: a judge that crashes has not judged.
"""

from collections.abc import Sequence
from functools import cache

from sandboxes.protocol.facts import CompileFacts, End, Fact, TestFacts
from sandboxes.protocol.job import Job, Mode, Run
from sandboxes.protocol.job import Limits as BoxLimits
from verifier_service.checkers import Checked
from verifier_service.errors import BoxDied, ReferenceUnusable
from verifier_service.languages import SANDBOXES, Language
from verifier_service.runners.pool import BoxPool
from verifier_service.schema import SpecialJudge, StdioCase
from verifier_service.settings import Settings

FILES = ("stdin.txt", "expected.txt", "actual.txt")
PYTHON_JUDGE_FILE = "judge.py"
PYTHON_MAIN = SANDBOXES / "programs" / "special_judge.py"
"""The program that loads a Python judge: it tells a judge that crashed from one that says no."""


async def judge_output(
    pool: BoxPool,
    languages: dict[str, Language],
    judge: SpecialJudge,
    case: StdioCase,
    actual: bytes,
    settings: Settings,
) -> Checked:
    """Run `judge` on one output.

    Raises:
        ReferenceUnusable: the judge crashed, hit a limit or ended in an undefined way; the output is not judged.
    """
    language = languages[judge.language]
    files: dict[str, bytes] = dict(zip(FILES, (case.stdin.encode(), case.stdout.encode(), actual), strict=True))
    source = judge.code
    if judge.language == "python":
        files[PYTHON_JUDGE_FILE] = judge.code.encode()
        source = _python_main()
    job = Job(
        mode=Mode.STDIO,
        source=source.encode("utf-8", "surrogatepass"),
        toolchain=language.toolchain,
        limits=_limits(settings),
        runs=(Run(argv=FILES),),
        side_files=files,
    )
    try:
        async with pool.lease(language) as box:
            facts = [fact async for fact in box.run(job)]
    except BoxDied as error:
        raise ReferenceUnusable(f"the special judge broke its box: {error}") from error
    return _conclude(facts)


@cache
def _python_main() -> str:
    return PYTHON_MAIN.read_text(encoding="utf-8")


def _conclude(facts: Sequence[Fact]) -> Checked:
    for fact in facts:
        if isinstance(fact, (CompileFacts, TestFacts)) and fact.end is not End.EXITED:
            raise ReferenceUnusable(f"the special judge failed, {fact.end}: {fact.message[-500:]}")
        if isinstance(fact, CompileFacts) and fact.exit_code != 0:
            raise ReferenceUnusable(f"the special judge does not compile: {fact.message[-500:]}")
        if isinstance(fact, TestFacts) and fact.exit_code in (0, 1):
            said = fact.stdout.decode("utf-8", "backslashreplace").strip()[:500]
            return Checked(fact.exit_code == 0, said or ("" if fact.exit_code == 0 else "the special judge says no"))
    last = facts[-1] if facts else None
    detail = f"code {last.exit_code}: {last.message[-500:]}" if isinstance(last, TestFacts) else "it did not run"
    raise ReferenceUnusable(f"the special judge ended with neither 0 nor 1, {detail}")


def _limits(settings: Settings) -> BoxLimits:
    return BoxLimits(
        time_limit_s=settings.default_time_limit_s,
        wall_limit_s=3 * settings.default_time_limit_s + 2,
        memory_limit_mb=settings.default_memory_limit_mb,
        output_limit_kb=settings.default_output_limit_kb,
        max_processes=settings.default_max_processes,
        compile_time_limit_s=settings.compile_time_limit_s,
    )
