"""Apply the settings to the limits of a test: fill in defaults, refuse values above the maximum."""

from sandboxes.protocol import job
from verifier_service.errors import BadItem
from verifier_service.schema import LIMITS, LimitInfo, Limits, LimitTables
from verifier_service.schema.limits import MEMORY, OUTPUT, PROCESSES, TIME, WALL, Limit
from verifier_service.settings import Settings


def maximum(limit: Limit, settings: Settings) -> float:
    """Return the highest value that a request may ask for."""
    return getattr(settings, limit.maximum_setting)


def default(limit: Limit, settings: Settings) -> float:
    """Return the value of a limit that the request omits; only for limits whose default is a setting."""
    return getattr(settings, limit.default_setting)


def check(asked: Limits, settings: Settings) -> None:
    """Refuse limits above the maximum.

    Raises:
        BadItem: naming the limit, the value and the maximum.
    """
    for limit in LIMITS:
        value = getattr(asked, limit.name)
        if value is not None and value > maximum(limit, settings):
            most = f"{maximum(limit, settings):g} (VERIFIER_{limit.maximum_setting.upper()})"
            raise BadItem(f"limits.{limit.name}", value, f"the maximum is {most}")


def fill(asked: Limits, settings: Settings) -> job.Limits:
    """Return the limits with defaults for those that `asked` omits. The wall limit is at least the time limit."""
    time_limit_s = asked.time_limit_s or default(TIME, settings)
    wall_limit_s = asked.wall_limit_s or min(maximum(WALL, settings), 3 * time_limit_s + 2)  # as WALL.rule says
    return job.Limits(
        time_limit_s=time_limit_s,
        wall_limit_s=max(wall_limit_s, time_limit_s),
        memory_limit_mb=asked.memory_limit_mb or int(default(MEMORY, settings)),
        output_limit_kb=asked.output_limit_kb or int(default(OUTPUT, settings)),
        max_processes=asked.max_processes or int(default(PROCESSES, settings)),
        compile_time_limit_s=settings.compile_time_limit_s,
    )


def budget(asked: Limits, filled: job.Limits, settings: Settings, deadline_s: float, runs: int) -> job.Budget:
    """Return the time that all tests of a submission may take together.

    It depends on the request and the settings alone, never on load. For n tests it is
    `2 * wall_limit_s + n * time_limit_s`, capped at the settings' share of the deadline. The cap is never below one
    test's time limit, unless that is more than half of the deadline. For tests that are run several times (`runs`),
    everything is multiplied by `runs`, and the cap is at most half of the deadline.

    Raises:
        BadItem: the requested time limit does not fit into the deadline.
    """
    if asked.time_limit_s is not None and asked.time_limit_s > deadline_s:
        raise BadItem(
            "limits.time_limit_s", asked.time_limit_s, f"it must be at most deadline_s, which is {deadline_s:g}"
        )
    share_s = min(runs * settings.budget_share, max(0.5, settings.budget_share)) * deadline_s
    return job.Budget(
        base_s=2 * runs * filled.wall_limit_s,
        per_test_s=runs * filled.time_limit_s,
        most_s=max(share_s, min(filled.time_limit_s, deadline_s / 2)),
    )


def tables(settings: Settings) -> LimitTables:
    """Return defaults and maxima by the limit's name."""
    return LimitTables(
        default={one.name: one.rule if one.default is None else default(one, settings) for one in LIMITS},
        maximum={one.name: maximum(one, settings) for one in LIMITS},
    )


def describe(settings: Settings) -> list[LimitInfo]:
    """Return the table of limits with the defaults and maxima of this service."""
    known = tables(settings)
    return [
        LimitInfo(
            name=one.name,
            unit=one.unit,
            what=one.what,
            default=known.default[one.name],
            maximum=known.maximum[one.name],
        )
        for one in LIMITS
    ]
