"""The code interpreter: a tool that runs a Python program in the verifier's sandbox and tells what it printed.

Each call is a run of its own: nothing is kept from one to the next. Time, memory, output and the number of calls are
bounded by the recipe; a program that breaks a limit is told so, and a call above the number is not run. A run that the
sandbox could not make is our failure: the completion is lost and has no reward.
"""

from collections.abc import Iterable, Sequence

from trainer.config import Interpreter as Options
from trainer.errors import STOPS, Stop
from trainer.turns.talk import Message
from verifier_service.client import VerifierClient
from verifier_service.schema import RunEnd, RunResult

NO_CALLS_LEFT = "error: no calls are left, answer now"
NOT_THERE = "error: the interpreter is not there"
TOOL = "python"
MAX_CODE_CHARS = 100_000  # far below what the verifier takes: none of its refusals may be the policy's doing
STDERR_CHARS = 500
_LIMITS = {
    RunEnd.TIME_LIMIT: "it took more than {0.time_limit_s:g} s of CPU time",
    RunEnd.WALL_LIMIT: "it took more than {0.wall_limit_s:g} s",
    RunEnd.MEMORY_LIMIT: "it took more than {0.memory_limit_mb} MiB of memory",
    RunEnd.OUTPUT_LIMIT: "it printed too much",
}


class Desk:
    """Where programs are handed in: equal ones of one batch are run once, all that are known of together."""

    def __init__(self, client: VerifierClient, options: Options) -> None:
        self.client = client
        self.options = options
        self.failure: Stop | None = None
        """What went wrong with the verifier: no run of this batch can be made any more."""
        self._results: dict[str, RunResult] = {}

    def clear(self) -> None:
        """Forget the runs of an earlier batch."""
        self._results, self.failure = {}, None

    def ahead(self, programs: Iterable[str]) -> None:
        """Have programs run that will be asked for; a verifier that stays away is told by `failure`."""
        new = [source for source in dict.fromkeys(programs) if source not in self._results]
        size = self.client.options.chunk
        try:
            for start in range(0, len(new) if self.failure is None else 0, size):
                chunk = new[start : start + size]
                results = self.client.run([self._run(source) for source in chunk])
                self._results |= dict(zip(chunk, results, strict=True))
        except STOPS as problem:
            self.failure = problem

    def result_of(self, program: str) -> RunResult | None:
        """Return what a program came to, run now where it was not handed in ahead; None where none can be run."""
        self.ahead([program])
        return self._results.get(program)

    def _run(self, source: str) -> dict[str, object]:
        options = self.options
        limits = {
            "time_limit_s": options.time_limit_s,
            "wall_limit_s": options.wall_limit_s,
            "memory_limit_mb": options.memory_limit_mb,
            "output_limit_kb": max(1, -(-4 * (options.output_chars + STDERR_CHARS) // 1024)),  # four bytes a character
        }
        return {"language": "python", "source": source.encode(errors="replace").decode(), "limits": limits}


class Interpreter:
    """What TRL makes one of for each completion: its public methods are the tools, `reset` begins the next one."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.calls = 0
        self.errors = 0
        """Calls that failed by the policy's own doing."""
        self.is_lost = False
        """Whether a call failed by ours."""

    def reset(self, **_: object) -> None:
        """Begin another completion."""
        self.calls, self.errors, self.is_lost = 0, 0, False

    def python(self, code: str) -> str:
        """Run a Python program in a sandbox and return what it printed. Nothing is kept from one call to the next.

        Args:
            code: The whole program. Print what you want to see.

        Returns:
            What the program printed, or how it failed.
        """
        self.calls += 1
        if self.calls > self.desk.options.max_calls:
            self.errors += 1
            return NO_CALLS_LEFT
        if not isinstance(code, str) or len(code) > MAX_CODE_CHARS:
            self.errors += 1
            return f"error: code has to be a text of at most {MAX_CODE_CHARS} characters"
        result = self.desk.result_of(code)
        if result is None or result.end is RunEnd.JUDGE_ERROR:
            self.is_lost = True
            return NOT_THERE
        self.errors += not _is_well(result)
        return shown(result, self.desk.options)


def shown(result: RunResult, options: Options) -> str:
    """Return what the policy sees of a run: what was printed, then the end of stderr, then why it ended."""
    said = [(result.stdout or "").rstrip("\n")]
    if not _is_well(result):
        compiler = result.compile.stderr if result.compile is not None else ""
        said.append(f"{compiler}{result.stderr or ''}".strip()[-STDERR_CHARS:])
        why = _LIMITS.get(result.end)
        said.append(f"error: {why.format(options) if why else f'exit code {result.exit_code}'}")
    return cut("\n".join(filter(None, said)) or "(it printed nothing)", options.output_chars)


def cut(text: str, most: int) -> str:
    """Return a text of at most about `most` characters: what is too long loses its middle."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[: most - half]} ... {text[len(text) - half :]}"


def programs_in(messages: Iterable[Message], options: Options) -> list[str]:
    """Return the programs that the calls in messages would run, as far as they may."""
    return [code for message in messages for code in _programs(message)[: options.max_calls]]


def _programs(message: Message) -> list[str]:
    given = [
        arguments.get("code") for name, arguments in calls_in(message) if name == TOOL and isinstance(arguments, dict)
    ]
    return [code for code in given if isinstance(code, str) and len(code) <= MAX_CODE_CHARS]


def calls_in(message: Message) -> list[tuple[str, object]]:
    """Return name and arguments of each call in a message, as TRL parses them."""
    calls = message.get("tool_calls")
    found = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [(str(one.get("name")), one.get("arguments")) for one in found if isinstance(one, dict)]


def called(environment: Interpreter, message: Message) -> list[Message]:
    """Make the calls of a message as TRL does, and return what the policy is told."""
    return [
        {"role": "tool", "name": name, "content": _call(environment, name, arguments)}
        for name, arguments in calls_in(message)
    ]


def _call(environment: Interpreter, name: str, arguments: object) -> str:
    if name != TOOL:
        return str({"error": f"Tool {name} not found."})
    try:
        return environment.python(**arguments) if isinstance(arguments, dict) else str({"error": "no arguments"})
    except TypeError as problem:  # arguments that it does not have
        return str({"error": str(problem)})


def plain(messages: Sequence[Message]) -> list[Message]:
    """Return messages as a table can hold them, which has no room for arguments of any kind: calls become text."""
    return [
        {
            "role": message["role"],
            "content": str(message.get("content") or ""),
            "tool_calls": "\n".join(f"{name} {arguments}" for name, arguments in calls_in(message)),
        }
        for message in messages
    ]


def _is_well(result: RunResult) -> bool:
    return result.end is RunEnd.EXITED and result.exit_code == 0
