"""A named period may be moved and stays itself; another span under its name would count what was counted before."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.errors import ConfigError
from agent.ledger.money import told
from tests.pipelines import running
from tests.rule_stories import at, rule, rulebook
from tests.unit.review.desks import HEAD, act
from wire.money.terms import Currency


def rules(first: str, last: str, more: str = 'limit = "1/sem1"') -> str:
    return HEAD + f"[period.sem1]\nfrom = {first}\nuntil = {last}\n" + rule(more=more)


@pytest.mark.parametrize(("more", "lesson"), [('limit = "1/sem1"', "2"), ('once_per = ["lesson", "sem1"]', "1")])
async def test_a_period_that_is_another_span_by_now_is_refused_where_anything_was_counted_in_it(
    tmp_path: Path, more: str, lesson: str
) -> None:
    async with running(tmp_path, rules("2026-07-13", "2026-12-20", more)) as agent:
        await agent.take(act(1))
    with pytest.raises(ConfigError, match=r"\[period.sem1\] was 2026-07-13 to 2026-12-20 and is 2027-01") as refused:
        async with running(tmp_path, rules("2027-01-11", "2027-06-20", more)):
            pass
    assert "such as sem1-2027" in refused.value.hint
    async with running(tmp_path, rules("2027-01-11", "2027-06-20", more).replace("sem1", "sem1-2027")) as agent:
        await agent.take(act(2, occurred_at=at("2027-02-01T09:00:00"), lesson=lesson))
        assert agent.balances() == {"35": 20}


async def test_dates_that_were_a_slip_can_be_mended_before_anything_was_counted_and_where_nothing_is_counted_by_them(
    tmp_path: Path,
) -> None:
    async with running(tmp_path, rules("2025-07-13", "2025-12-20")):
        pass
    async with running(tmp_path, rules("2026-07-13", "2026-12-20", "")) as agent:
        await agent.take(act(1))
    async with running(tmp_path, rules("2027-07-13", "2027-12-20")) as agent:
        assert agent.balances() == {"35": 10}


async def test_a_period_that_begins_earlier_counts_what_was_paid_in_its_new_days(tmp_path: Path) -> None:
    async with running(tmp_path, rules("2026-09-08", "2026-12-20")) as agent:
        await agent.take(act(1))
    async with running(tmp_path, rules("2026-09-01", "2026-12-20")) as agent:
        await agent.take(act(2, occurred_at=at("2026-09-09T09:00:00")))
        assert (agent.balances(), agent.reasons()) == ({"35": 10}, ["limit 1/sem1"])


class Asked(dict[str, int]):
    """Decimals that know which threads asked for them."""

    threads: frozenset[threading.Thread] = frozenset()

    def get(self, *about: Any) -> Any:
        self.threads |= {threading.current_thread()}
        return super().get(*about)


async def test_what_rules_would_count_otherwise_is_looked_for_while_everything_else_goes_on(tmp_path: Path) -> None:
    text = rules("2026-07-13", "2026-12-20")
    async with running(tmp_path, text) as agent:
        points = {"points": Currency(title="Points", decimals=0, spendable=False)}
        await agent.writer.run(lambda connection: told.keep(connection, points, ()))
        decimals = Asked(points=0)
        await agent.pipeline.adopt(replace(rulebook(text), decimals=decimals), text)
        assert decimals.threads, "it was looked for"
        assert threading.current_thread() not in decimals.threads
