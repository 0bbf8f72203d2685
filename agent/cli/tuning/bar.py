"""A progress bar on standard error, where that is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Advance = Callable[[int, int, str], None]
"""(done, of how many or 0 where that is unknown, what to say beside the bar)."""


@contextmanager
def bar(description: str, *, shown: bool = True) -> Iterator[Advance]:
    """A bar while the block runs, gone after it; nothing where nobody looks, or it is not to be ``shown``."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _done, _total, _told: None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    from agent.cli.frame import console

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[told]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(err=True), transient=True) as progress:
        task = progress.add_task(description, total=None, told="")
        yield lambda done, total, told: progress.update(task, completed=done, total=total or None, told=told)
