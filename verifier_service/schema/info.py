"""What the service tells about itself and about what it keeps."""

from typing import Literal

from pydantic import Field

from verifier_service.schema.base import Answered


class LanguageInfo(Answered):
    """One language. `version` is set where its sandbox can be started; `hint` says how to make it so."""

    name: str
    title: str
    aliases: list[str] = Field(default_factory=list)
    available: bool
    version: str | None
    tests: list[str]
    hint: str | None = None


class LimitInfo(Answered):
    """One limit of a test; `default` is a number, or a rule that makes it from other limits."""

    name: str
    unit: str
    what: str
    default: int | float | str
    maximum: int | float


class LimitTables(Answered):
    """Defaults and maxima by the name of the limit."""

    default: dict[str, int | float | str]
    maximum: dict[str, int | float]


class Checkers(Answered):
    """The names of the checkers of each kind of tests, and the protocols of special judges."""

    stdio: list[str]
    call: list[str]
    protocols: list[str] = Field(default_factory=list)


class Info(Answered):
    """What this service can judge and run, and what may be asked of it. What an older one leaves out has defaults."""

    version: str
    build: str | None = Field(default=None, description="as in `made_by.verifier` of results")
    runner: str
    isolation: Literal["submission", "container"]
    languages: list[LanguageInfo]
    checkers: Checkers
    preludes: dict[str, str] = Field(default_factory=dict)
    extraction_rules: list[str]
    verdicts: dict[str, str]
    limits: LimitTables
    limit_table: list[LimitInfo] = Field(default_factory=list)
    max_batch: int
    max_body_mb: int


class Alive(Answered):
    """The answer of `GET /healthz`."""

    status: Literal["alive"] = "alive"


class Readiness(Answered):
    """The answer of `GET /readyz`; `reasons` has what is waited for, by judge.

    `warnings` has what an operator should mend although requests are answered: files of keys that cannot be read.
    """

    ready: bool
    reasons: dict[str, str]
    warnings: dict[str, str] = Field(default_factory=dict)


class KeptSuite(Answered):
    """A suite that the service keeps: name it in `tests` as `{"sha256": ...}`."""

    sha256: str
    bytes: int
