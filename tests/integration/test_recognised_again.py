"""A restored ledger recognises what it had read before, also after a page of it that did not stand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from agent.errors import RewardsError
from tests.builders import an_observation
from tests.ledgers import behind_its_back
from tests.pipelines import running
from tests.rule_stories import rule

LESSONS = rule(more='once_per = "event"')


async def test_a_page_that_did_not_stand_is_recognised_when_it_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that was full at the last of such pages paid all of it that was not to be paid, or was paid already."""
    async with running(tmp_path, LESSONS):
        pass
    with behind_its_back(tmp_path) as ledger:
        ledger.execute("INSERT INTO restored_source (source, upto) VALUES ('moodle', 2)")
        ledger.commit()
    async with running(tmp_path, LESSONS) as agent:
        before = [an_observation(1), an_observation(2)]
        connection = agent.writer._connection  # noqa: SLF001 - it is the last word that does not get through
        execute, left = connection.execute, ["COMMIT"]

        def full_at_once(sql: str, *more: Any) -> Any:
            if sql in left:
                left.remove(sql)
                raise sqlite3.OperationalError("database or disk is full")
            return execute(sql, *more)

        monkeypatch.setattr(connection, "execute", full_at_once)
        with pytest.raises(RewardsError):
            await agent.take(*before)
        assert (await agent.take(*before)).entries == 0
        assert (await agent.take(an_observation(3))).entries == 1
