"""The languages a submission may be written in, read from `sandboxes/<language>/language.toml`.

To add one is to add a folder there: a Dockerfile for its image and a `language.toml` that says how to compile and run.
"""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sandboxes.protocol.job import Toolchain

SANDBOXES = Path(__file__).resolve().parent.parent / "sandboxes"


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Language:
    """How programs of one language are named, fenced, compiled and run inside a box.

    `compile` and `run` are argument vectors, relative to the folder that holds `source_file`; a language without `run`
    is forked from the box's warm interpreter. `memory` is what the memory limit is set on: `address_space` (RLIMIT_AS)
    for programs that take what they use, `resident` (what is really in memory, watched from outside) for runtimes that
    reserve far more than they use. `startup_memory_mb` is what an empty program of that runtime takes; it is added to
    the limit, so that a limit means the same in every language.
    """

    name: str
    title: str
    fences: tuple[str, ...]
    source_file: str
    compile: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    version_command: tuple[str, ...]
    memory: Literal["address_space", "resident"] = "address_space"
    startup_memory_mb: int = 0
    min_processes: int = 1
    env: tuple[tuple[str, str], ...] = ()
    test_kinds: tuple[str, ...] = ("stdio",)

    @property
    def has_tester(self) -> bool:
        """Whether its box can call programs and run tests against them: then it is Python."""
        return "assert" in self.test_kinds

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
