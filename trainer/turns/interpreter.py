"""The code interpreter: a tool that runs a Python program in the verifier's sandbox and returns its output.

Each call is an independent run; nothing is kept between calls. The recipe limits time, memory, output and the number of
calls. A program that exceeds a limit gets an error message, and calls beyond the maximum are not run. If the sandbox
cannot run a program, the failure is ours: the completion is lost and gets no reward.
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
MAX_CODE_CHARS = 100_000  # far below the verifier's limit, so that the policy can never cause it to refuse a request
STDERR_CHARS = 500
_LIMITS = {
    RunEnd.TIME_LIMIT: "it took more than {0.time_limit_s:g} s of CPU time",
    RunEnd.WALL_LIMIT: "it took more than {0.wall_limit_s:g} s",
    RunEnd.MEMORY_LIMIT: "it took more than {0.memory_limit_mb} MiB of memory",
    RunEnd.OUTPUT_LIMIT: "it printed too much",
}


class Desk:
    """Runs the programs of a batch: equal ones only once, and all that are known in advance together."""

    def __init__(self, client: VerifierClient, options: Options) -> None:
        self.client = client
        self.options = options
        self.failure: Stop | None = None
        """The verifier's error, if any. Once it is set, no more programs of this batch are run."""
        self._results: dict[str, RunResult] = {}

    def clear(self) -> None:
        """Forget the runs of an earlier batch."""
        self._results, self.failure = {}, None

    def ahead(self, programs: Iterable[str]) -> None:
        """Run programs whose results will be needed. An error of the verifier is stored in `failure`."""
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
        """Return a program's result, running it now if necessary; None if the verifier has failed."""
        self.ahead([program])
        return self._results.get(program)

    def _run(self, source: str) -> dict[str, object]:
        options = self.options
        limits = {
            "time_limit_s": options.time_limit_s,
            "wall_limit_s": options.wall_limit_s,
            "memory_limit_mb": options.memory_limit_mb,
            "output_limit_kb": max(
                1, -(-4 * (options.output_chars + STDERR_CHARS) // 1024)
            ),  # up to four bytes per character
        }
        return {"language": "python", "source": source.encode(errors="replace").decode(), "limits": limits}


class Interpreter:
    """The environment of one completion. TRL offers its public methods as tools, and calls `reset` for the next one."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.calls = 0
        self.errors = 0
        """Calls that failed through a fault of the policy."""
        self.is_lost = False
        """Whether a call failed through a fault of ours."""

    def reset(self, **_: object) -> None:
        """Start a new completion."""
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
    """Return what the policy sees: the output and, for a failed run, the end of stderr and the reason."""
    said = [(result.stdout or "").rstrip("\n")]
    if not _is_well(result):
        compiler = result.compile.stderr if result.compile is not None else ""
        said.append(f"{compiler}{result.stderr or ''}".strip()[-STDERR_CHARS:])
        why = _LIMITS.get(result.end)
        said.append(f"error: {why.format(options) if why else f'exit code {result.exit_code}'}")
    return cut("\n".join(filter(None, said)) or "(it printed nothing)", options.output_chars)


def cut(text: str, most: int) -> str:
    """Shorten a text to about `most` characters by cutting out its middle."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[: most - half]} ... {text[len(text) - half :]}"


def programs_in(messages: Iterable[Message], options: Options) -> list[str]:
    """Return the programs that the calls in messages would run, up to the maximum number of calls."""
    return [code for message in messages for code in _programs(message)[: options.max_calls]]


def _programs(message: Message) -> list[str]:
    given = [
        arguments.get("code") for name, arguments in calls_in(message) if name == TOOL and isinstance(arguments, dict)
    ]
    return [code for code in given if isinstance(code, str) and len(code) <= MAX_CODE_CHARS]


def calls_in(message: Message) -> list[tuple[str, object]]:
    """Return the name and arguments of each call in a message, the way TRL parses them."""
    calls = message.get("tool_calls")
    found = [call.get("function") for call in calls if isinstance(call, dict)] if isinstance(calls, list) else []
    return [(str(one.get("name")), one.get("arguments")) for one in found if isinstance(one, dict)]


def called(environment: Interpreter, message: Message) -> list[Message]:
    """Run the calls of a message the way TRL does, and return the tool messages."""
    return [
        {"role": "tool", "name": name, "content": _call(environment, name, arguments)}
        for name, arguments in calls_in(message)
    ]


def _call(environment: Interpreter, name: str, arguments: object) -> str:
    if name != TOOL:
        return str({"error": f"Tool {name} not found."})
    try:
        return environment.python(**arguments) if isinstance(arguments, dict) else str({"error": "no arguments"})
    except TypeError as problem:  # the call has arguments that the tool does not have
        return str({"error": str(problem)})


def plain(messages: Sequence[Message]) -> list[Message]:
    """Return messages in a form that fits into a table: calls, whose arguments have arbitrary types, become text."""
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
