"""Whatever the order in which rows become visible, every committed wanted row is observed, and none is skipped."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.collectors.logstore.options import Limits
from agent.model import SourceState
from tests.effort import examples
from tests.sites import UNWANTED, VIEWED, HandClock, SqliteSite, collecting, log, read

NEVER = 99
TINY = Limits(page_rows_max=3, span_ids_max=7, block_ids=4, anchor_every_ids=5, gap_ranges_max=3)

Rows = list[tuple[int, bool]]
"""For each id the round in which its row becomes visible (`NEVER`: rolled back), and whether a rule wants it."""

ROWS = st.lists(st.tuples(st.sampled_from((0, 0, 0, 1, 2, 3, NEVER)), st.booleans()), min_size=1, max_size=40)


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS, st.sets(st.integers(0, 3)), st.booleans())
def test_every_committed_wanted_row_is_observed_in_any_order_of_visibility(
    rows: Rows, crashes: set[int], tiny: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        seen = asyncio.run(told(Path(directory) / "moodle.db", rows, crashes, TINY if tiny else Limits()))
    expected = {number for number, (round_, wanted) in enumerate(rows, 1) if wanted and round_ != NEVER}
    assert set(seen) == expected
    if not crashes and not tiny:
        assert max(Counter(seen).values(), default=1) == 1


async def told(path: Path, rows: Rows, crashes: set[int], limits: Limits) -> list[int]:
    """The positions observed over four rounds; in rounds of ``crashes`` the agent dies before its last page is kept."""
    site = SqliteSite(path)
    clock, state = HandClock(), SourceState(start_at=0)
    seen: list[int] = []
    for round_ in range(4):
        for number, (visible, wanted) in enumerate(rows, 1):
            if visible == round_:
                log(site, number, eventname=VIEWED if wanted else UNWANTED)
        async with collecting(site.options(), clock, limits=limits) as collector:
            got, after = await read(collector, state)
        if round_ not in crashes or round_ == 3:
            seen += [one.position for one in got]
            state = after
        clock.pass_s(10)
    for _ in range(3):
        async with collecting(site.options(), clock, limits=limits) as collector:
            got, state = await read(collector, state)
        seen += [one.position for one in got]
        clock.pass_s(10)
    return seen
