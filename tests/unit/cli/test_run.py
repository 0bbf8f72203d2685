"""`run --until-caught-up` on a terminal: how far it is."""

from __future__ import annotations

from agent.cli.run import reached
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
