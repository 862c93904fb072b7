"""The languages a submission may be written in, read from `sandboxes/<language>/language.toml`.

To add a language, add a folder there: a Dockerfile for its image and a `language.toml` that says how to compile and
run its programs.
"""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sandboxes.protocol.job import Toolchain
from verifier_service.errors import BadItem
from verifier_service.schema.problems import nearest

SANDBOXES = Path(__file__).resolve().parent.parent / "sandboxes"
MAKEFILE = SANDBOXES.parent / "Makefile"


def how_to_build(name: str) -> str:
    """Return the command that builds a language's image: `make` in the repository, our command line elsewhere."""
    return f"`make sandboxes LANGUAGES={name}`" if MAKEFILE.is_file() else f"`grpo-verifier sandboxes {name}`"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Language:
    """How programs of one language are named, compiled and run inside a box.

    `aliases` are other names, in lower case, that a submission or the label of a fenced block may use; `fences` are
    labels of blocks only. `main` is a pattern that matches every program that can run on its own.

    `compile` and `run` are argument vectors, relative to the folder that holds `source_file`. A program in a language
    without `run` is forked from the box's warm interpreter. `memory` says how the memory limit is enforced:
    `address_space` (RLIMIT_AS) for programs that use what they reserve, `resident` (resident memory, watched from
    outside) for runtimes that reserve far more than they use. `startup_memory_mb` is the memory of an empty program; it
    is added to the limit, so that a limit means the same in every language. `canary` is a program that prints the first
    line of its input: the known submission that shows whether programs can be judged at all.
    """

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    fences: tuple[str, ...] = ()
    main: str = ""
    source_file: str
    compile: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    version_command: tuple[str, ...]
    memory: Literal["address_space", "resident"] = "address_space"
    startup_memory_mb: int = 0
    min_processes: int = 1
    env: tuple[tuple[str, str], ...] = ()
    test_kinds: tuple[str, ...] = ("stdio",)
    canary: str = ""
    line_directive: str = ""
    """Directive that makes the compiler count lines from the program's first line when other text precedes it."""

    @property
    def names(self) -> tuple[str, ...]:
        """All names of the language, the main one first."""
        return (self.name, *self.aliases)

    @property
    def labels(self) -> frozenset[str]:
        """All labels of fenced blocks in this language, without version numbers."""
        return frozenset((*self.names, *self.fences))

    def check_files(self, names: Iterable[str], field: str) -> None:
        """Check that no additional file would overwrite the program's source or its executable.

        Raises:
            BadItem: a file would; `field` is the request's field with the files.
        """
        made = (word.removeprefix("./") for word in self.run[:1] if word.startswith("./"))
        reserved = {self.source_file, *made}
        for name in names:
            if name.split("/")[0] in reserved:
                raise BadItem(f"{field}.{name}", name, "this name is reserved for the program itself; choose another")

    @property
    def has_tester(self) -> bool:
        """Whether its box can call functions and run test code; true for Python only."""
        return "assert" in self.test_kinds

    def canary_of(self, test_kind: str) -> str:
        """Return the name of the known submission that shows whether tests of this kind can be judged."""
        return f"{self.name} {test_kind}"

    @property
    def toolchain(self) -> Toolchain:
        """The part of a job that depends on the language."""
        return Toolchain(
            source_file=self.source_file,
            compile=self.compile,
            run=self.run,
            env=self.env,
            cap_address_space=self.memory == "address_space",
            startup_memory_mb=self.startup_memory_mb,
            min_processes=self.min_processes,
        )


def _load(path: Path) -> Language:
    table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    table["env"] = tuple(sorted(table.get("env", {}).items()))
    return Language(name=path.parent.name, **table)


@cache
def load_languages(folder: Path = SANDBOXES) -> dict[str, Language]:
    """Return the languages that have a `language.toml` under `folder`, by name, in alphabetical order."""
    return {path.parent.name: _load(path) for path in sorted(folder.glob("*/language.toml"))}


class Languages:
    """All known languages, and the versions of those that can be run here."""

    def __init__(
        self,
        known: Mapping[str, Language],
        versions: Mapping[str, str] | None = None,
        hint: Callable[[Language], str] = lambda language: f"{how_to_build(language.name)} builds it",
    ) -> None:
        """`hint` returns how to make a language available that is not among `versions`."""
        self.known = known
        self.versions: Mapping[str, str] = versions or {}
        self.hint = hint

    @property
    def by_any_name(self) -> dict[str, str]:
        """Maps each name and alias, in lower case, to the language's name."""
        return {name: one.name for one in self.known.values() for name in (one.name, *one.aliases)}

    def find(self, name: str) -> Language | None:
        """Return the language with this name or alias, in any case; None if there is none."""
        wanted = name.lower()
        return self.known.get(wanted) or next((one for one in self.known.values() if wanted in one.aliases), None)

    def resolve(self, name: str, field: str = "language") -> Language:
        """Return the language with this name or alias if it can be run here.

        Args:
            field: the request's field that names the language, for the message.

        Raises:
            BadItem: there is no such language, or its sandbox is not built.
        """
        language = self.find(name)
        if language is None:
            meant = nearest(name.lower(), self.by_any_name)
            allowed = f"it must be one of {', '.join(self.known)}, or an alias of one of them{meant}"
            raise BadItem(field, name, allowed)
        if language.name not in self.versions:
            there = ", ".join(self.versions) or "none"
            raise BadItem(field, name, f"it is not available here; available: {there}; {self.hint(language)}")
        return language
