"""A bad Friday undone: everything that one rule paid in a time, once, in whole awards."""

from __future__ import annotations

from typing import Any

from agent.ledger import corrections
from agent.ledger.corrections import Correction, Standing
from tests.builders import NOW, an_award, an_event, points, some_events
from tests.ledgers import Ledger, found, rows

WHY = Correction(reason="typed 1000 for 10", by="dean")
RULE = "lesson-completed"


async def bulk(ledger: Ledger, since: int = NOW, until: int = NOW + 100, most: int = 1_000) -> int:
    span: dict[str, Any] = {"rule": RULE, "since": since, "until": until}
    return await ledger.run(
        lambda connection: corrections.reverse_rule(
            connection, ledger.recorder, **span, correction=WHY, now=NOW + 500, most=most
        )
    )


async def stands(ledger: Ledger, since: int = NOW, until: int = NOW + 100, rule: str = RULE) -> Standing:
    return await ledger.run(lambda connection: corrections.standing(connection, rule=rule, since=since, until=until))


async def paid(ledger: Ledger) -> None:
    """Three awards of two entries each to learner 35, one to 36, and one of another rule."""
    events = [*some_events(3), an_event(4, people={"subject": "36", "actor": "36"})]
    await ledger.take(events, [an_award(event, postings=points(10, stars=1)) for event in events])
    other = an_event(5)
    await ledger.take([other], [an_award(other, rule_id="other")])


async def test_what_stands_is_told_before_anything_is_done(ledger: Ledger) -> None:
    await paid(ledger)
    assert await stands(ledger) == Standing(
        awards=4, entries=8, learners=2, erased=0, amounts={"points": 40, "stars": 4}
    )
    assert (await stands(ledger, NOW + 2, NOW + 4)).awards == 2
    assert (await stands(ledger, rule="nosuch")).entries == 0
    assert len(rows(ledger.data_dir, "SELECT 1 FROM entry")) == 9


async def test_every_award_of_the_rule_in_the_time_is_answered_once(ledger: Ledger) -> None:
    await paid(ledger)
    assert await bulk(ledger, until=NOW + 4) == 6
    assert await bulk(ledger) == 2
    assert await bulk(ledger) == 0
    balances = rows(ledger.data_dir, "SELECT currency, sum(amount) FROM balance GROUP BY currency")
    assert sorted(balances) == [("points", 10), ("stars", 0)]
    reason = rows(ledger.data_dir, "SELECT DISTINCT CAST(body AS TEXT) ->> 'reason' FROM entry WHERE seq > 9")
    assert reason == [("typed 1000 for 10 (by dean)",)]
    assert found(ledger.data_dir) == []


async def test_scope_and_limits_are_free_again_for_those_awards_only(ledger: Ledger) -> None:
    await paid(ledger)
    await bulk(ledger, until=NOW + 2)
    sql = "SELECT bucket, freed FROM quota_use JOIN name ON no = meter_no WHERE text = 'once:lesson-completed'"
    assert sorted(rows(ledger.data_dir, sql)) == [("moodle:1", 1), ("moodle:2", 0), ("moodle:3", 0), ("moodle:4", 0)]


async def test_an_award_reversed_by_itself_is_left_out(ledger: Ledger) -> None:
    await paid(ledger)
    await ledger.run(
        lambda connection: corrections.reverse(connection, ledger.recorder, seq=1, correction=WHY, now=NOW)
    )
    assert (await stands(ledger)).awards == 3
    assert await bulk(ledger) == 6


async def test_a_transaction_takes_whole_awards_up_to_its_limit(ledger: Ledger) -> None:
    await paid(ledger)
    assert [await bulk(ledger, most=5) for _ in range(3)] == [4, 4, 0]


async def test_awards_of_an_erased_person_are_counted_and_stand(ledger: Ledger) -> None:
    await paid(ledger)
    await ledger.run(lambda connection: connection.execute("DELETE FROM person WHERE lms_user = '36'"))
    ledger.recorder.forget()
    told = await stands(ledger)
    assert (told.awards, told.erased, told.learners) == (3, 1, 1)
    assert await bulk(ledger) == 6
