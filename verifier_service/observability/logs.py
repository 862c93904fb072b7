"""Structured logs, including those of libraries: one event per line, for people on a terminal or as JSON.

Log lines contain nothing of submissions or tests unless VERIFIER_LOG_TEXT is set. Events put text that might quote them
into `text`, which is dropped; of an error in the service, only location and type are logged, not the message.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

import structlog

from verifier_service.settings import Settings

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
QUIET = ("docker", "urllib3", "opentelemetry", "asyncio", "aiosqlite", "sqlalchemy", "alembic", "httpx", "httpcore")
"""Libraries whose messages below warnings are dropped."""


def configure(settings: Settings) -> None:
    """Send all log events of this process to stderr, in the format of the settings."""
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    processors = _processors(settings)
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *processors],
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                *([] if settings.log_text else [_only_the_first_line]),
            ],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _processors(settings: Settings) -> list[structlog.typing.Processor]:
    may_quote = settings.log_text
    is_json = settings.log_format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if is_json
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    return [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso"),
        *([] if may_quote else [_without_text]),
        structlog.processors.ExceptionRenderer(_with_words if may_quote else without_words),
        renderer,
    ]


def _without_text(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    event.pop("text", None)
    return event


def _with_words(exc_info: ExcInfo) -> str:
    return "".join(traceback.format_exception(*exc_info)).rstrip()


def without_words(exc_info: ExcInfo) -> str:
    """Return a traceback with the errors' types but not their messages, which might quote what was judged."""
    return "\n\n".join(_without_words(exc_info[1], set()))


def _without_words(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield the traceback of an error, of the errors in its group, and of its causes."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    frames = "".join(traceback.format_tb(error.__traceback__))
    yield f"Traceback (most recent call last):\n{frames}{type(error).__module__}.{type(error).__qualname__}"
    for one in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _without_words(one, seen)
    yield from _without_words(error.__cause__ or (None if error.__suppress_context__ else error.__context__), seen)


def _only_the_first_line(_: object, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Drop error messages from asyncio's events: they are in the lines after the first."""
    if event.get("logger") == "asyncio":
        event["event"] = str(event.get("event", "")).partition("\n")[0]
    return event
