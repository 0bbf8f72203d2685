"""Posts that a real tool_trigger sent and the rows of the same acts, in any order: paid as by the log alone."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest

from agent.collectors.logstore.collector import LogstoreCollector
from agent.collectors.systems.base import Arrival
from agent.collectors.systems.registry import SYSTEMS
from agent.config.kinds import KindTable
from agent.model import Evidence, Observation
from tests import servers
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import rule, rulebook
from tests.sites import HandClock, options_for, read

RULES = rule("forum.*", 'once_per = "event"') + rule("lesson.completed", 'once_per = "event"', name="l")
PHANTOMS = {"999998", "999999"}
"""Posts that were rolled back in Moodle after they had been posted; one of them also without its context."""


def posted() -> list[Observation]:
    """The captured posts, in the order in which they came."""
    found: list[Observation] = []
    for number, file in enumerate(sorted((servers.CAPTURE / "tool_trigger").glob("req*.raw")), 1):
        body = re.split(rb"\r?\n\r?\n", file.read_bytes(), maxsplit=1)[1]
        arrival = Arrival(
            source="trigger", site="moodle", number=number, received_at=1_795_230_000,
            evidence=Evidence.bearer_token, body=body, awaits_log=True,
        )  # fmt: skip
        found.extend(SYSTEMS["tool-trigger"].observations(arrival, KindTable()))
    return found


async def logged(database: servers.MariaDatabase, times: set[int]) -> list[Observation]:
    """The rows of those seconds."""
    collector = LogstoreCollector(options_for(database), HandClock())
    try:
        seen, _ = await read(collector, demand=rulebook(RULES).demand)
    finally:
        await collector.close()
    return [replace(one, marks=one.marks - {"backdated"}) for one in seen if one.occurred_at in times]


@pytest.mark.parametrize("order", ["posts first", "rows first", "1", "2"])
async def test_the_captured_posts_and_rows_pay_once_and_posts_without_context_find_their_row(
    shared_capture: servers.MariaDatabase, tmp_path: Path, order: str
) -> None:
    posts = posted()
    told = await logged(shared_capture, {one.occurred_at for one in posts})
    partial = [one for one in posts if "partial" in one.marks]
    assert len(partial) == 8
    mixed = [*posts, *told] if order == "posts first" else [*told, *posts]
    if order.isdigit():
        random.Random(order).shuffle(mixed)
    async with running(tmp_path / "alone", RULES) as at:
        await at.take(*told)
        alone = at.balances()
    async with running(tmp_path / "both", RULES) as at:
        for one in mixed:
            await at.take(one, source=one.source)
        assert at.balances() == alone
        waiting = rows(
            at.data_dir,
            "SELECT CAST(e.payload AS TEXT) ->> 'o', p.event_no IS NOT NULL FROM hold h JOIN decision d "
            "USING (decision_no) JOIN event e USING (event_no) LEFT JOIN partial_event p USING (event_no) "
            "WHERE h.state = 'open'",
        )
    assert not [object_id for object_id, is_partial in waiting if is_partial], "each is about a row or a whole post"
    assert {object_id for object_id, _ in waiting} == PHANTOMS
