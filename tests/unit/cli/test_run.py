"""`run --until-caught-up` on a terminal: how far it is, and what it came to."""

from __future__ import annotations

import pytest

from agent.cli.run import Watch, reached
from agent.model import Page, SourceState


def page(position: int, newest: int) -> Page:
    """A page after which its source stands at ``position``."""
    state = SourceState(position=position)
    return Page(source="s", observations=(), state=state, rules_version="", newest=newest, caught_up=False)


def test_the_bar_counts_each_source_by_its_own_numbers() -> None:
    # The positions of all were held against the newest number of one, so that the bar went past its end.
    assert reached([page(40, 100), page(90, 90)]) == (130, 190)
    assert reached([page(100, 100), page(90, 0)]) == (190, 190)
    assert reached([]) == (0, 0)


def test_a_run_that_could_not_read_everything_does_not_end_with_nothing_new(capsys: pytest.CaptureFixture[str]) -> None:
    Watch().report(None, whole=False)
    Watch().report(None, whole=True)
    assert capsys.readouterr().err.splitlines() == [
        "0 new events, 0 entries; nothing decided; not all could be read: why is told above",
        "0 new events, 0 entries; nothing new",
    ]
