"""The languages a submission may be written in, read from `sandboxes/<language>/language.toml`.

To add one is to add a folder there: a Dockerfile for its image and a `language.toml` that says how to compile and run.
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
    """Return the command that makes the image of a language; in the repository it is another one than elsewhere."""
    return f"`make sandboxes LANGUAGES={name}`" if MAKEFILE.is_file() else f"`grpo-verifier sandboxes {name}`"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Language:
    """How programs of one language are named, compiled and run inside a box.

    `aliases` are other names, in lower case, under which a submission may ask for it or a fenced block announce it, and
    `fences` are labels of blocks only. `main` matches in every program that can be run alone.

    `compile` and `run` are argument vectors, relative to the folder that holds `source_file`; a language without `run`
    is forked from the box's warm interpreter. `memory` is what the memory limit is set on: `address_space` (RLIMIT_AS)
    for programs that take what they use, `resident` (what is really in memory, watched from outside) for runtimes that
    reserve far more than they use. `canary` is a program that prints the first line of its input: it tells whether
    programs can be judged at all. `startup_memory_mb` is what an empty program of that runtime takes; it is added to
    the limit, so that a limit means the same in every language.
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
    """What tells the compiler that the program's first line follows, where text stands before it."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name of the language, its own first."""
        return (self.name, *self.aliases)

    @property
    def labels(self) -> frozenset[str]:
        """Every label with which a fenced block announces the language, without versions."""
        return frozenset((*self.names, *self.fences))

    def check_files(self, names: Iterable[str], field: str) -> None:
        """See to it that files beside the program do not lie where the program itself, or what is made of it, lies.

        Raises:
            BadItem: one of them does; `field` is where they were given.
        """
        made = (word.removeprefix("./") for word in self.run[:1] if word.startswith("./"))
        reserved = {self.source_file, *made}
        for name in names:
            if name.split("/")[0] in reserved:
                raise BadItem(f"{field}.{name}", name, "this is where the program itself lies")

    @property
    def has_tester(self) -> bool:
        """Whether its box can call programs and run tests against them: then it is Python."""
        return "assert" in self.test_kinds

    def canary_of(self, test_kind: str) -> str:
        """Name the known submission that tells whether programs can be judged with tests of this kind."""
        return f"{self.name} {test_kind}"

    @property
    def toolchain(self) -> Toolchain:
        """What a job for this language tells its box."""
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
    """Return every language that has a `language.toml` under `folder`, by name, in alphabetical order."""
    return {path.parent.name: _load(path) for path in sorted(folder.glob("*/language.toml"))}


class Languages:
    """The languages that are known, and which of them can be run here, each with its version."""

    def __init__(
        self,
        known: Mapping[str, Language],
        versions: Mapping[str, str] | None = None,
        hint: Callable[[Language], str] = lambda language: f"{how_to_build(language.name)} builds it",
    ) -> None:
        """`hint` says of a language that is not among `versions` how it comes to be there."""
        self.known = known
        self.versions: Mapping[str, str] = versions or {}
        self.hint = hint

    @property
    def by_any_name(self) -> dict[str, str]:
        """The name of each language by each of its names, in lower case."""
        return {name: one.name for one in self.known.values() for name in (one.name, *one.aliases)}

    def find(self, name: str) -> Language | None:
        """Return the language that goes by `name`, whatever the case; None if there is none."""
        wanted = name.lower()
        return self.known.get(wanted) or next((one for one in self.known.values() if wanted in one.aliases), None)

    def resolve(self, name: str, field: str = "language") -> Language:
        """Return the language that goes by `name` and can be run here; `field` is where it was asked for.

        Raises:
            BadItem: there is none, or its sandbox is not built.
        """
        language = self.find(name)
        if language is None:
            meant = nearest(name.lower(), self.by_any_name)
            allowed = f"it must be one of {', '.join(self.known)}, or another name of one of them{meant}"
            raise BadItem(field, name, allowed)
        if language.name not in self.versions:
            there = ", ".join(self.versions) or "none"
            raise BadItem(field, name, f"it cannot be run here, as can: {there}; {self.hint(language)}")
        return language
