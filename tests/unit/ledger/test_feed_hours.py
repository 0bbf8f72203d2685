"""How busy each feed is: counted with its pages, bounded, and kept when a source gets another name."""

from __future__ import annotations

from agent.ledger import sources
from agent.ledger.feeds import hours
from agent.model import Evidence, SourceState
from tests.builders import NOW, an_observation
from tests.ledgers import Ledger

HOUR = NOW // hours.HOUR_S


def counted(ledger: Ledger, name: str = "moodle") -> dict[int, int]:
    with ledger.reading() as connection:
        return hours.counted(connection, name)


async def page(ledger: Ledger, *times: int, now: int = NOW) -> None:
    seen = [an_observation(occurred_at=at) for at in times]
    await ledger.run(lambda connection: sources.save(connection, "moodle", SourceState(), None, now, seen))


async def test_events_are_counted_by_the_hour_in_which_they_happened(ledger: Ledger) -> None:
    await page(ledger, NOW, NOW - 1 - NOW % hours.HOUR_S, NOW)
    await page(ledger, NOW)
    assert counted(ledger) == {HOUR: 3, HOUR - 1: 1}


async def test_what_is_too_old_or_in_the_future_is_not_counted_and_old_hours_go(ledger: Ledger) -> None:
    await page(ledger, NOW, NOW - (hours.KEPT_H + 2) * hours.HOUR_S, NOW + 2 * hours.HOUR_S)
    assert counted(ledger) == {HOUR: 1}
    later = NOW + (hours.KEPT_H + 2) * hours.HOUR_S
    await page(ledger, later, now=later)
    assert counted(ledger) == {later // hours.HOUR_S: 1}


async def test_what_somebody_imported_from_a_file_says_nothing_of_how_a_feed_lives(ledger: Ledger) -> None:
    seen = [an_observation(occurred_at=NOW, evidence=how) for how in (Evidence.file, Evidence.bearer_token)]
    await ledger.run(lambda connection: sources.save(connection, "moodle", SourceState(), None, NOW, seen))
    assert counted(ledger) == {HOUR: 1}


async def test_a_source_with_a_new_name_keeps_its_weeks(ledger: Ledger) -> None:
    await page(ledger, NOW)
    await ledger.run(lambda connection: sources.rename(connection, "moodle", "campus"))
    assert counted(ledger, "campus") == {HOUR: 1}
