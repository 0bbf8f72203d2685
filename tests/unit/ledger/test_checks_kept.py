"""What checks count is in the ledger: it survives restarts, and no text is anywhere in it."""

from __future__ import annotations

from pathlib import Path

from agent.engine.fairness import texts
from agent.model import Observation
from tests.builders import an_observation
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import at, rule

MONDAY = at("2026-09-07T09:00:00")
HEAD = 'schema = 1\ntimezone = "Africa/Johannesburg"\n'
VELOCITY = HEAD + '[[check]]\nid = "v"\nvelocity = "2/10m"\n' + rule(more='once_per = "event"')
FLAGS = (
    HEAD
    + (
        '[[check]]\nid = "v"\nvelocity = "1/10m"\nthen = "flag"\n'
        '[[check]]\nid = "s"\nsuspicion = "1/1d"\nthen = "hold"\n'
    )
    + rule(more='once_per = "event"')
)
COPIES = HEAD + '[[check]]\nid = "d"\nduplicate_text = {}\n' + rule("forum.posted")
TEXT = "a confession that nobody but its readers in this forum shall ever read again"


def act(number: int, **more: object) -> Observation:
    return an_observation(number, occurred_at=MONDAY + number, **more)


async def test_a_velocity_goes_on_over_restarts(tmp_path: Path) -> None:
    reasons: list[str] = []
    for number in range(1, 5):
        async with running(tmp_path, VELOCITY) as agent:
            await agent.take(act(number))
            reasons = agent.reasons()
    assert reasons == ["velocity 2/10m"] * 2
    kept = "SELECT n.text, u.seq FROM quota_use u JOIN name n ON n.no = u.meter_no WHERE n.text LIKE 'check:%'"
    assert rows(tmp_path, kept) == [("check:v:velocity:600s", 0)] * 4


async def test_flags_and_suspicion_go_on_over_restarts(tmp_path: Path) -> None:
    reasons: list[str] = []
    for number in range(1, 4):
        async with running(tmp_path, FLAGS) as agent:
            await agent.take(act(number))
            reasons = agent.reasons()
    assert reasons == ["suspicion 1/1d"]
    assert rows(tmp_path, "SELECT kind, state FROM hold") == [("review", "open")]


async def test_a_copy_is_found_after_a_restart_and_no_text_is_kept(tmp_path: Path) -> None:
    reasons: list[str] = []
    for number, user in ((1, "35"), (2, "36")):
        async with running(tmp_path, COPIES) as agent:
            people = {"subject": user, "actor": user}
            facts = texts.facts(TEXT, b"key")
            await agent.take(act(number, kind="forum.posted", post=str(number), people=people, facts=facts))
            reasons = agent.reasons()
    assert reasons == ["duplicate text within 30d"]
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"confession" in file.read_bytes()]


async def test_nothing_is_kept_where_no_check_is_written(tmp_path: Path) -> None:
    async with running(tmp_path, HEAD + rule()) as agent:
        await agent.take(act(1), act(2))
    assert rows(tmp_path, "SELECT count(*) FROM name WHERE text LIKE 'check:%' OR text LIKE 'flag:%'") == [(0,)]
