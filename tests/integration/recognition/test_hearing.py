"""What a campus hears of kudos at its catalogue: about whom they are, by what its learners are called."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from agent.clock import SystemClock
from agent.collectors.inbox.store import Inbox
from agent.recognition.hearing import Hearing
from tests.builders import NOW
from tests.ledgers import rows
from tests.pipelines import running
from tests.rule_stories import ZONE, event, rule

RULES = f'schema = 1\ntimezone = "{ZONE}"\n' + rule()


class Centre:
    """A catalogue that tells of kudos between pseudonyms: (giver, receiver) each."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def key(self) -> str:
        """None is asked for."""
        return ""

    async def ask(self, act: str, learner: str, fields: Mapping[str, str | int], *, first: bool) -> dict[str, Any]:
        """Every line at once, to whoever asks for lines."""
        assert (act, learner, fields, first) == ("lines", "", {"after": 0}, False)
        told = [
            {"no": no, "what": "given", "of": no, "at": NOW, "giver": giver, "receiver": receiver, "tag": "helpful"}
            for no, (giver, receiver) in enumerate(self._pairs, 1)
        ]
        return {"lines": told, "next": len(told), "more": False}


async def test_who_was_seen_elsewhere_first_is_thanked_by_what_moodle_calls_them(tmp_path: Path) -> None:
    """Their wallet is their account's in the other system: kudos to them were taken for somebody else's, and unpaid."""
    link = "INSERT INTO alias VALUES ('moodle', '36', 'ben', 1, 'd', 'r', 'shop')"
    async with running(tmp_path, RULES) as here:
        for who, lesson in (("35", "1"), ("ben", "2"), ("cid", "3")):
            seen = event("lesson.completed", "2026-09-07T09:00:00", who, lesson=lesson).seen
            await here.take(seen)
        await here.writer.run(lambda conn: conn.execute("UPDATE person SET site = 'shop' WHERE lms_user <> '35'"))
        await here.writer.run(lambda conn: conn.execute(link))
    names = dict(rows(tmp_path, "SELECT lms_user, pseudonym FROM person"))
    centre = Centre((names["35"], names["ben"]), (names["ben"], names["35"]), (names["35"], names["cid"]))
    inbox = await Inbox.open(tmp_path)
    hearing = Hearing(centre, inbox, SystemClock(), name="kudos", site="moodle", data_dir=tmp_path)
    assert await hearing.catch_up() is None
    await inbox.close()
    with closing(sqlite3.connect(tmp_path / "inbox.db")) as kept:
        heard = [orjson.loads(body) for (body,) in kept.execute("SELECT body FROM post ORDER BY no")]
    assert [(one["user"]["id"], one["people"]["actor"]["id"]) for one in heard] == [("36", "35"), ("35", "36")]
