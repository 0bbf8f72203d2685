"""Draws: a list that is fixed first, a seed that nobody chose, and steps that a stranger can repeat."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from agent.errors import InvalidInputError
from agent.ledger import file, verify
from agent.schedule import proof
from tests.ledgers import rows
from tests.rule_stories import rule
from tests.schedules import SUNDAY, lessons, office
from wire import draw

DRAW = """
[[scheduled]]
id = "raffle"
every = "week"
draw = { winners = 2, seed = "chain", announce = "see our page" }
award = { points = 500 }
"""
RULES = rule(name="lesson") + DRAW


def test_the_algorithm_is_the_one_that_the_manual_tells() -> None:
    tickets = {"carol": 2, "alice": 1, "bob": 3}
    assert draw.list_text(tickets) == "alice 1\nbob 3\ncarol 2\n"
    seed = draw.seed(b"\1" * 32, b"\2" * 64)
    found = draw.rounds(seed, tickets, 2)
    for one in found:
        command = f"printf %s '{seed}:{one.number}' | sha256sum | cut -c1-8"
        told = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
        assert told == one.digits
        assert int(told, 16) == one.value
        assert one.ticket == one.value % one.left
    assert len({one.winner for one in found}) == 2
    assert [one.left for one in found] == [6, 6 - tickets[found[0].winner]]


def test_a_round_beyond_the_largest_multiple_is_passed_over() -> None:
    tickets = {"ann": draw.NUMBERS // 2 + 1}
    found = draw.rounds("00" * 32, tickets, 1)
    assert found[-1].winner == "ann"
    assert all((one.ticket is None) == (one.value >= draw.NUMBERS // 2 + 1) for one in found)


def test_every_ticket_is_as_good_as_every_other() -> None:
    tickets = {"a": 1, "b": 2, "c": 3}
    won = Counter(draw.rounds(f"{number:064x}", tickets, 1)[-1].winner for number in range(6000))
    for name, count in tickets.items():
        assert abs(won[name] - 1000 * count) < 150


def test_where_fewer_take_part_than_may_win_everybody_wins_once() -> None:
    found = draw.rounds("ab" * 32, {"a": 1, "b": 5}, 10)
    assert sorted(one.winner for one in found if one.winner) == ["a", "b"]


@pytest.mark.parametrize("text", ["ann 0\n", "ann\n", "ben 1\nann 1\n", "ann 1\nann 1\n", "ann 1"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(draw.MalformedDrawError):
        draw.list_of(text)


def test_an_announcement_is_read_back_as_it_was_written() -> None:
    said = draw.Announcement(
        run="r@t", winners=2, participants=3, tickets=9, digest="ab" * 32, seed="receipt", note="a; b\nc"
    )
    assert draw.announcement(said.text()) == said


async def test_a_draw_of_the_chain_alone_pays_its_winners_and_can_be_repeated(tmp_path: Path) -> None:
    async with office(tmp_path, RULES) as here:
        await here.take(lessons(ann=1, ben=2, cat=3, dan=1))
        done = await here.decide()
        assert [(one.state, one.winners) for one in done] == [("closed", 2)]
        (run,) = here.runs()
        assert sorted(here.prizes().values()) == [[500], [500]]
        assert await here.decide() == []
    with file.reading(tmp_path) as connection:
        assert verify.verify(connection).findings == ()
        found = proof.bundle(connection, run)
    assert [one for one in proof.verified(found, now=SUNDAY) if not one.holds] == []
    names = dict(line.split() for line in found["list"].splitlines())
    assert len(names) == 4
    swapped = found | {"winners": found["winners"][::-1]}
    assert not all(one.holds for one in proof.verified(swapped, now=SUNDAY))
    more = found | {"list": found["list"].replace(" 1\n", " 2\n", 1)}
    assert not all(one.holds for one in proof.verified(more, now=SUNDAY))


async def test_a_draw_without_a_catalogue_fails_with_the_way_out_and_changes_nothing(tmp_path: Path) -> None:
    async with office(tmp_path, RULES.replace(', seed = "chain"', "")) as here:
        await here.take(lessons(ann=1))
        (done,) = await here.decide()
        assert done.state == "failed"
        assert "needs a catalogue" in done.error
        assert here.prizes() == {}
        (run,) = here.runs()
        assert run.error == done.error


async def test_tickets_follow_what_was_earned(tmp_path: Path) -> None:
    rules = RULES.replace("winners = 2", "winners = 1, tickets = 20, among = { at_least = 20 }")
    async with office(tmp_path, rules) as here:
        await here.take(lessons(ann=1, ben=2, cat=5))
        await here.decide()
        (run,) = here.runs()
    assert sorted(line.split()[1] for line in run.participants.splitlines()) == ["1", "2"]


async def test_a_list_is_announced_once_and_its_draw_waits_for_the_receipt(tmp_path: Path) -> None:
    rules = RULES.replace(', seed = "chain"', "")
    async with office(tmp_path, rules, signs=True) as here:
        await here.take(lessons(ann=1, ben=1))
        assert [one.state for one in await here.decide()] == ["announced"]
    async with office(tmp_path, rule(name="lesson"), signs=True) as here:
        assert await here.decide() == []
        (run,) = here.runs()
        assert run.state == "announced"
        assert here.prizes() == {}
        entries = rows(tmp_path, "SELECT count(*) FROM entry WHERE CAST(body AS TEXT) ->> 'currency' = 'draw:raffle'")
        assert entries == [(1,)]
    with (
        file.reading(tmp_path) as connection,
        pytest.raises(InvalidInputError, match="waits for the catalogue's receipt"),
    ):
        proof.bundle(connection, run)


async def test_a_proof_without_the_receipt_that_was_announced_does_not_hold(tmp_path: Path) -> None:
    async with office(tmp_path, RULES) as here:
        await here.take(lessons(ann=1, ben=2))
        await here.decide()
        (run,) = here.runs()
    with file.reading(tmp_path) as connection:
        found = proof.bundle(connection, run)
    other = found["entries"][0].replace("seed of the chain", "seed of the receipt")
    steps = proof.verified(found | {"entries": [other, *found["entries"][1:]]}, now=SUNDAY)
    assert [step.what for step in steps if not step.holds][-1].startswith("the receipt is missing")
    with pytest.raises(InvalidInputError, match="not the file of a draw"):
        proof.verified({"run": "x"}, now=SUNDAY)
