"""A progress bar on stderr."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def shown(total: int, *, on: bool) -> Iterator[Callable[[], None]]:
    """Show a progress bar while a batch is judged; yields a function to call for each result."""
    if not on:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("judging"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("judging", total=total)
        yield lambda: bar.advance(task)
