"""Check a shell script without running it: our own command lines in it are given to their real parsers."""

import importlib.util
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

import typer
from typer.main import get_command

from tests.docs.blocks import ROOT
from trainer.cli import app as trainer_cli
from verifier_service.cli import cli as service_cli
from verifier_service.settings import Settings

PROGRAMS: dict[str, typer.Typer] = {
    "verifier_service": service_cli,
    "grpo-verifier": service_cli,
    "trainer": trainer_cli,
    "grpo-trainer": trainer_cli,
}
BEFORE_A_PROGRAM = {"exec", "srun", "nohup", "time", "sudo"}
FORBIDDEN = {
    "make install", "make clean", "make constraints", "make test", "make test-all", "make check", "make bench",
    "pip install", "pip uninstall", "docker compose", "docker push", "docker system", "git push",
    "sudo", "apt-get", "apt", "systemctl", "dockerd", "kubectl", "helm",
}  # fmt: skip
ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
HERE_DOCUMENT = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")
SETTING = re.compile(r"\bVERIFIER_[A-Z][A-Z0-9_]*[A-Z0-9]\b")
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__bases__[0])
"""What every refusal of a command line derives from; typer gives it no public name."""
READERS = (
    "docker-compose.yml",
    "Makefile",
    "scripts/*",
    "trainer/**/*.py",
    "verifier_service/client/*.py",
    "docker/**/*",
    "benchmarks/*.py",
    "tests/e2e/*",
)
"""Where names of the environment are read besides the settings."""


@dataclass
class _Words:
    """Cuts a script into commands of words; comments and redirections are dropped."""

    script: str
    commands: list[list[str]] = field(default_factory=lambda: [[]])
    word: str | None = None
    at: int = 0
    skip: bool = False

    def end_word(self) -> None:
        """Add the finished word to the current command, unless it belongs to a redirection."""
        if self.word is not None and not self.skip:
            self.commands[-1].append(self.word)
        if self.word is not None:
            self.skip = False
        self.word = None

    def end_command(self) -> None:
        """Begin another command."""
        self.end_word()
        if self.commands[-1]:
            self.commands.append([])

    def quoted(self, end: str) -> str:
        """Read up to a closing quote."""
        found = ""
        self.at += 1
        while self.at < len(self.script) and self.script[self.at] != end:
            if end == '"' and self.script[self.at] == "\\" and self.script[self.at + 1 : self.at + 2] in '"\\$`':
                self.at += 1
            found += self.script[self.at]
            self.at += 1
        return found

    def nested(self) -> str:
        """Read `$(...)` or `${...}` unchanged."""
        closing = {"(": ")", "{": "}"}[self.script[self.at + 1]]
        opening, depth, start = self.script[self.at + 1], 0, self.at
        while self.at < len(self.script):
            depth += (self.script[self.at] == opening) - (self.script[self.at] == closing)
            if depth == 0 and self.at > start + 1:
                break
            self.at += 1
        return self.script[start : self.at + 1]

    def step(self) -> None:
        """Read the next token."""
        sign = self.script[self.at]
        if sign in "'\"":
            self.word = (self.word or "") + self.quoted(sign)
        elif sign == "$" and self.script[self.at + 1 : self.at + 2] in ("(", "{"):
            self.word = (self.word or "") + self.nested()
        elif sign == "\\":
            self.at += 1
            if self.script[self.at : self.at + 1] != "\n":
                self.word = (self.word or "") + self.script[self.at : self.at + 1]
        elif sign == "#" and self.word is None:
            self.at = self.script.find("\n", self.at) - 1 if "\n" in self.script[self.at :] else len(self.script)
        elif sign in "<>":
            self.word = None if self.word is not None and self.word.isdigit() else self.word
            self.end_word()
            self.skip = True
        elif sign in ";|()\n" or (sign == "&" and not self.skip):
            self.end_command()
        elif sign in " \t":
            self.end_word()
        else:
            self.word = (self.word or "") + sign
        self.at += 1


def commands_of(script: str) -> list[list[str]]:
    """Return the commands of a script, each as its words without quotes; here-documents are omitted."""
    words = _Words(_without_here_documents(script))
    while words.at < len(words.script):
        words.step()
    words.end_command()
    return [one for one in words.commands if one]


def _without_here_documents(script: str) -> str:
    lines: list[str] = []
    end = None
    for line in script.splitlines():
        if end is None:
            lines.append(line)
            said = HERE_DOCUMENT.search(line)
            end = said[2] if said else None
        elif line.strip() == end:
            end = None
    return "\n".join(lines) + "\n"


def complaints(script: str) -> list[str]:
    """Return the problems of a script by itself: its syntax, our command lines in it, names of settings."""
    read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    found = [read.stderr.strip()] if read.returncode else []
    for words in commands_of(script):
        found += _complaints_of_command(words, script)
    return found + unknown_settings(script)


def forbidden(script: str) -> list[str]:
    """Return the commands that a test must not run, because they change the machine or the tests' environment."""
    found: list[str] = []
    for words in commands_of(script):
        first = next((n for n, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
        begin = " ".join([Path(word).name for word in words[first : first + 1]] + words[first + 1 : first + 2])
        if begin in FORBIDDEN or begin.partition(" ")[0] in FORBIDDEN:
            found.append(f"`{begin}` changes the machine: say `elsewhere: FILE` or `parsed only: REASON`")
    return found


def _complaints_of_command(words: list[str], script: str) -> list[str]:
    first = next((n for n, word in enumerate(words) if not ASSIGNMENT.match(word)), len(words))
    if words[first : first + 1] == ["make"]:
        return _of_make(words[first + 1 :])
    for n, word in enumerate(words):
        if word == "-m" and n + 1 < len(words):
            module = words[n + 1]
            if module in PROGRAMS:
                return _of_program(module, words[n + 2 :], script)
            if module.partition(".")[0] == "benchmarks":
                return _of_benchmark(module, words[n + 2 :])
        if Path(word).name in PROGRAMS and "-" in word and (n == first or words[n - 1] in BEFORE_A_PROGRAM):
            return _of_program(Path(word).name, words[n + 1 :], script)
    return []


def _of_make(words: list[str]) -> list[str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    words = [word for word in words if not word.startswith("-")]
    named = {word.partition("=")[0] for word in words if "=" in word}
    found = [f"make {word}: there is no such target" for word in words if "=" not in word and word not in targets]
    return found + [f"make {name}=: the Makefile does not read it" for name in named if name not in makefile]


def _of_program(name: str, words: list[str], script: str) -> list[str]:
    command: Any = get_command(PROGRAMS[name])
    rest = [re.sub(r"\$\(.*?\)|\$\{.*?\}|\$\w+", "1", word) for word in words]
    parent = None
    try:
        while True:
            context = command.make_context(command.name, list(rest), parent=parent)
            if not hasattr(command, "resolve_command"):
                return []
            rest = [*context._protected_args, *context.args]
            _, command, rest = command.resolve_command(context, rest)
            parent = context
    except typer.Exit:
        return []  # --help, --version
    except UsageError as error:
        variable = getattr(getattr(error, "param", None), "envvar", None)
        if "Missing" in error.format_message() and variable and str(variable) in script:
            return []
        return [f"{name} {' '.join(words)}: {error.format_message()}"]


def _of_benchmark(module: str, words: list[str]) -> list[str]:
    name = module if "." in module else f"{module}.__main__"
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return [f"python -m {module}: there is no such module"]
    source = Path(spec.origin).read_text(encoding="utf-8") + "--full --try --quick --help"
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    return [f"python -m {module}: {option} is not an option" for option in options if option not in source]


@cache
def known_settings() -> frozenset[str]:
    """Return every VERIFIER_* name that something reads."""
    names = {f"VERIFIER_{name.upper()}" for name in Settings.model_fields}
    for pattern in READERS:
        for path in ROOT.glob(pattern):
            if path.is_file() and "__pycache__" not in path.parts:
                names |= set(SETTING.findall(path.read_text(encoding="utf-8", errors="ignore")))
    return frozenset(names)


def unknown_settings(text: str) -> list[str]:
    """Return a complaint for each VERIFIER_* name that nothing reads."""
    return [f"{name} is not a setting" for name in sorted(set(SETTING.findall(text)) - known_settings())]


def missing_paths(script: str) -> list[str]:
    """Return a complaint for each missing file of the repository that a script names."""
    return [f"{path}: there is no such file" for path in _paths(script) if not list(ROOT.glob(path.rstrip("/")))]


def _paths(script: str) -> Iterator[str]:
    tops = {
        path.name for path in ROOT.iterdir() if path.is_dir() and path.name not in ("runs", "dist", "build", "site")
    }
    for words in commands_of(script):
        for word in words:
            path = re.split(r"::|[=@]", word.removeprefix("./"))
            name = next((one for one in path if one.partition("/")[0] in tops and "/" in one), None)
            if name is not None and re.fullmatch(r"[\w./*-]+", name):
                yield name
