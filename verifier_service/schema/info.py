"""What the service says about itself and about what it stores."""

from typing import Literal

from pydantic import Field

from verifier_service.schema.base import Answered


class LanguageInfo(Answered):
    """One language."""

    name: str = Field(description="its name in requests")
    title: str = Field(description="its name for people")
    aliases: list[str] = Field(default_factory=list, description="other names that requests can use")
    available: bool = Field(description="a box for it can be started here")
    version: str | None = Field(description="version of its compiler or interpreter; null if it is not available")
    tests: list[str] = Field(description="kinds of tests that it can run")
    hint: str | None = Field(default=None, description="how to make it available; null if it is")


class LimitInfo(Answered):
    """One limit of a test."""

    name: str = Field(description="its field in `limits`")
    unit: str = Field(description="its unit")
    what: str = Field(description="what it limits")
    default: int | float | str = Field(description="its default: a number, or a rule that derives it from other limits")
    maximum: int | float = Field(description="its largest value in a request")


class LimitTables(Answered):
    """Defaults and maxima of the limits."""

    default: dict[str, int | float | str] = Field(description="defaults by the name of the limit")
    maximum: dict[str, int | float] = Field(description="maxima by the name of the limit")


class Checkers(Answered):
    """The names of the checkers."""

    stdio: list[str] = Field(description="checkers of `stdio` tests")
    call: list[str] = Field(description="checkers of `call` tests")
    protocols: list[str] = Field(default_factory=list, description="protocols of special judges")


class Info(Answered):
    """What this service can judge and run, and how much. Fields that an older service omits have defaults."""

    version: str = Field(description="its release")
    build: str | None = Field(default=None, description="release and digest, as in `made_by.verifier` of results")
    runner: str = Field(description="what starts its boxes: `docker` or `bubblewrap`")
    isolation: Literal["submission", "container"] = Field(
        description="`container` if each box is used for one submission only"
    )
    languages: list[LanguageInfo] = Field(description="its languages")
    checkers: Checkers = Field(description="its checkers")
    preludes: dict[str, str] = Field(
        default_factory=dict, description="its presets for `prelude`: name to what they do"
    )
    extraction_rules: list[str] = Field(description="the rules that find math answers, in their order")
    verdicts: dict[str, str] = Field(description="the verdicts, each with its meaning")
    limits: LimitTables = Field(description="the limits by name")
    limit_table: list[LimitInfo] = Field(default_factory=list, description="the limits, each with unit and meaning")
    max_batch: int = Field(description="submissions or runs that one request can have")
    max_body_mb: int = Field(description="MiB that the body of a request can have")


class Alive(Answered):
    """The answer of `GET /healthz`."""

    status: Literal["alive"] = Field(default="alive", description="always `alive`")


class Readiness(Answered):
    """The answer of `GET /readyz`."""

    ready: bool = Field(description="verdicts can be trusted")
    reasons: dict[str, str] = Field(description="why not, by judge; empty when ready")
    warnings: dict[str, str] = Field(
        default_factory=dict, description="what an operator should repair although requests are answered"
    )


class KeptSuite(Answered):
    """A kept suite. Name it in `tests` as `{"sha256": ...}`."""

    sha256: str = Field(description="its digest")
    bytes: int = Field(description="its size in bytes")
