"""A desk over a real ledger for tests: acts in, somebody decides, balances out."""

from __future__ import annotations

from agent.model import Observation
from agent.review.desk import Desk
from tests.builders import NOW, an_observation
from tests.fakes import ManualClock
from tests.ledgers import rows
from tests.pipelines import Running
from tests.rule_stories import ZONE, at

HEAD = f'schema = 1\ntimezone = "{ZONE}"\n'
MONDAY = at("2026-09-07T09:00:00")


def desk(agent: Running) -> Desk:
    """The desk of an agent."""
    return Desk(agent.writer, agent.recorder, agent.pipeline, ManualClock(NOW))


def act(number: int, who: str = "35", lesson: str = "", **more: object) -> Observation:
    """A lesson of its own, ``number`` minutes later, unless the lesson is named."""
    people = {"subject": who, "actor": who}
    when = {"occurred_at": MONDAY + 60 * number, "lesson": lesson or str(number), "people": people}
    return an_observation(number, **(when | more))


def open_holds(agent: Running) -> list[int]:
    """The numbers of the decisions that wait."""
    return [no for (no,) in rows(agent.data_dir, "SELECT decision_no FROM hold WHERE state = 'open' ORDER BY 1")]


def kept(agent: Running) -> list[tuple[str, int, int]]:
    """Meter, slot and whether it is freed, of every use that no entry made."""
    sql = (
        "SELECT n.text, u.slot, u.freed FROM quota_use u JOIN name n ON n.no = u.meter_no WHERE u.seq < 0 ORDER BY 1, 2"
    )
    return rows(agent.data_dir, sql)
