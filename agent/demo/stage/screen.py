"""How the demonstration is shown: a picture that moves on a terminal, plain lines everywhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from agent.demo.stage.watch import Figures, Verdict
from agent.model import Outcome

_VERDICTS_SHOWN = 12
_LINES_SHOWN = 7
_REASONS_SHOWN = 6
_PLAIN_EVERY = 4
_STYLE: Mapping[Outcome, str] = {
    Outcome.awarded: "green",
    Outcome.held: "yellow",
    Outcome.refused: "red",
    Outcome.shadow: "cyan",
    Outcome.reversed: "magenta",
}


class Screen(Protocol):
    """Where the demonstration is told."""

    def __enter__(self) -> Self:
        """Begin to show."""
        ...

    def __exit__(self, *_: object) -> None:
        """Leave the last picture standing."""
        ...

    def say(self, line: str) -> None:
        """Tell one thing that happened on the stage."""
        ...

    def show(self, figures: Figures) -> None:
        """Show how things stand."""
        ...


class Plain:
    """Lines of text, one summary for every few looks, with what was decided since."""

    def __init__(self, console: Console, names: Callable[[str], str]) -> None:
        self._console = console
        self._names = names
        self._looks = 0
        self._since: deque[Verdict] = deque(maxlen=200)

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to tidy."""

    def say(self, line: str) -> None:
        """One line."""
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def show(self, figures: Figures) -> None:
        """A summary line, and the newest award, hold and refusal since the last one."""
        self._since.extend(figures.verdicts)
        self._looks += 1
        if self._looks % _PLAIN_EVERY:
            return
        self.say(f"  {summary(figures)}")
        newest = {verdict.outcome: verdict for verdict in self._since}
        for verdict in newest.values():
            self.say(f"    {verdict_line(verdict, self._names)}")
        self._since.clear()


class Moving:
    """A picture that is drawn anew at every look."""

    def __init__(self, console: Console, names: Callable[[str], str]) -> None:
        self._names = names
        self._lines: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._verdicts: deque[Verdict] = deque(maxlen=_VERDICTS_SHOWN)
        self._figures = Figures()
        self._live = Live(console=console, auto_refresh=False, transient=False)

    def __enter__(self) -> Self:
        """Take the screen."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back, the last picture standing."""
        self._live.stop()

    def say(self, line: str) -> None:
        """Add a line to the stage's own panel."""
        self._lines.append(line)
        self._live.update(self._picture(), refresh=True)

    def show(self, figures: Figures) -> None:
        """Draw."""
        self._figures = figures
        self._verdicts.extend(figures.verdicts)
        self._live.update(self._picture(), refresh=True)

    def _picture(self) -> Group:
        top = Table.grid(expand=True, padding=(0, 2))
        top.add_row(_flow(self._figures), _outcomes(self._figures))
        newest = Table.grid(padding=(0, 2))
        for verdict in reversed(self._verdicts):
            style = _STYLE[verdict.outcome]
            said = Text(verdict.outcome.name, style=style)
            newest.add_row(self._names(verdict.learner), verdict.rule, said, Text(verdict.reason, style="dim"))
        stage = Text("\n".join(self._lines))
        return Group(top, Panel(newest, title="decisions"), Panel(stage, title="on the stage (Ctrl-C to close)"))


def _flow(figures: Figures) -> Panel:
    grid = Table.grid(padding=(0, 2))
    for name, value in flow(figures).items():
        grid.add_row(name, value)
    return Panel(grid, title="from the log to the wallets")


def _outcomes(figures: Figures) -> Panel:
    grid = Table.grid(padding=(0, 2))
    for outcome, n in sorted(figures.outcomes.items()):
        grid.add_row(Text(outcome.name, style=_STYLE[outcome]), f"{n:,}")
    for reason, n in list(figures.reasons.items())[:_REASONS_SHOWN]:
        grid.add_row(Text(reason, style="dim"), Text(f"{n:,}", style="dim"))
    return Panel(grid, title="decided")


def flow(figures: Figures) -> dict[str, str]:
    """The way of the points, stage by stage, as name and figure."""
    told: dict[str, Any] = {
        "rows in the campus's log": f"{figures.log_rows:,}",
        "… not read yet": f"{figures.behind:,}" + (f", {figures.gaps} gaps open" if figures.gaps else ""),
        "events the rules want": f"{figures.events:,}",
        "ledger entries": f"{figures.entries:,}",
        "… acknowledged by the catalogue": f"{figures.acked:,} in {figures.batches:,} batches",
    }
    for currency, amount in figures.points.items():
        told[f"paid, {currency}"] = f"{amount:,}"
    if figures.trouble:
        told["delivery"] = f"trying again ({figures.attempts}): {figures.trouble}"
    return told


def summary(figures: Figures) -> str:
    """How things stand in one line."""
    awarded, held, refused = (
        figures.outcomes.get(outcome, 0) for outcome in (Outcome.awarded, Outcome.held, Outcome.refused)
    )
    line = (
        f"log {figures.log_rows:,} · events in {figures.events:,} · awards {awarded:,} · held {held:,} · "
        f"refused {refused:,} · acknowledged {figures.acked:,} of {figures.entries:,} in {figures.batches:,} batches"
    )
    return f"{line} · catalogue away, try {figures.attempts}" if figures.trouble else line


def reasons(figures: Figures) -> str:
    """Why decisions paid nothing, most frequent first, in one line."""
    return "Paid nothing, and why: " + ", ".join(f"{reason} ({n:,}×)" for reason, n in figures.reasons.items())


def verdict_line(verdict: Verdict, names: Callable[[str], str]) -> str:
    """One decision in one line."""
    reason = f": {verdict.reason}" if verdict.reason else ""
    return f"{names(verdict.learner)} · {verdict.rule} · {verdict.outcome.name}{reason}"
