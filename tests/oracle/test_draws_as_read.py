"""Draws by chance: who takes part, who wins and what is paid is what a stranger with the manual works out."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from agent.ledger import file
from agent.ledger.schedule.runs import Run
from agent.schedule import proof
from catalogue.app import wall_clock
from tests.contract.catalogues import running_catalogue
from tests.effort import examples
from tests.ledgers import rows
from tests.oracle import draws
from tests.outboxes import delivering
from tests.rule_stories import event, rule
from tests.schedules import Office, office
from tests.wire_builders import CAMPUS

WHO = ("ann", "ben", "cat", "dan", "eve")
PRIZES = (500, 200, 100)


class Draw:
    """A raffle by chance, and the lessons that count into it, five points each."""

    def __init__(self, chance: Random, seed: str) -> None:
        self.to_win = chance.choice([1, 2, 3])
        self.by_place = chance.random() < 0.5
        self.each = chance.choice([None, 5, 10, 20])
        self.at_least = chance.choice([None, 10, 20])
        self.seed = seed
        counts = {who: chance.choice([0, 0, 1, 2, 4, 9]) for who in WHO}
        self.lessons = [(who, number) for who, count in counts.items() for number in range(count)]
        self.undone = [one for one in self.lessons if chance.random() < 0.2]

    @property
    def rules(self) -> str:
        """The rules file."""
        among = "" if self.at_least is None else f", among = {{ at_least = {self.at_least} }}"
        each = "" if self.each is None else f", tickets = {self.each}"
        places = [f"{{ points = {amount} }}" for amount in PRIZES[: self.to_win]]
        prize = f"places = [{', '.join(places)}]" if self.by_place else f"award = {PRIZES[0]}"
        return (
            rule(name="lesson", more='reverse_on = "lesson.uncompleted"', award="5")
            + f'[[scheduled]]\nid = "raffle"\nevery = "week"\n{prize}\n'
            + f'draw = {{ winners = {self.to_win}, seed = "{self.seed}", announce = "a; b"{each}{among} }}\n'
        )

    async def play(self, here: Office) -> dict[str, int]:
        """The week; what each learner has earned in it."""
        acts = [event(when="2026-09-09T09:00:00", who=who, lesson=str(number)) for who, number in self.lessons]
        gone = [
            event("lesson.uncompleted", "2026-09-10T09:00:00", who, lesson=str(number)) for who, number in self.undone
        ]
        for one in (*acts, *gone):
            await here.take([one.seen])
        earned = Counter({who: 5 * count for who, count in Counter(who for who, _ in self.lessons).items()})
        earned.subtract({who: 5 * count for who, count in Counter(who for who, _ in self.undone).items()})
        return dict(earned)

    def check(self, here: Office, run: Run, earned: dict[str, int]) -> None:
        """Work it out as a stranger would."""
        names = dict(rows(here.data_dir, "SELECT lms_user, pseudonym FROM person"))
        part = {
            names[who]: count for who, count in draws.tickets(earned, at_least=self.at_least, each=self.each).items()
        }
        listed = dict(line.split() for line in run.participants.splitlines())
        assert {name: int(count) for name, count in listed.items()} == part
        paid = {names[who]: amounts for who, amounts in here.prizes().items()}
        if not part:
            assert paid == {}
            return
        with file.reading(here.data_dir) as connection:
            told = proof.bundle(connection, run)
        won = draws.winners(told, self.to_win)
        assert told["winners"] == won
        prizes = PRIZES if self.by_place else [PRIZES[0]] * self.to_win
        assert paid == {name: [amount] for name, amount in zip(won, prizes, strict=False)}
        assert [step.what for step in proof.verified(told, now=wall_clock()) if not step.holds] == []


@pytest.mark.parametrize("seed", range(examples(40)))
async def test_who_wins_is_what_a_stranger_works_out(seed: int, tmp_path: Path) -> None:
    chance = Random(seed)
    draw = Draw(chance, "chain")
    async with office(tmp_path, draw.rules) as here:
        earned = await draw.play(here)
        await here.decide()
        for run in here.runs():
            draw.check(here, run, earned)
        assert len(here.runs()) == (1 if draw.lessons else 0)


@pytest.mark.parametrize("seed", range(examples(12)))
async def test_who_wins_by_a_receipt_is_what_a_stranger_works_out(
    seed: int, tmp_path: Path, catalogue_file: Path
) -> None:
    chance, data = Random(seed), tmp_path / "agent"
    data.mkdir()
    (tmp_path / "books.db").write_bytes(catalogue_file.read_bytes())
    draw = Draw(chance, "receipt")
    async with (
        running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as there,
        office(data, draw.rules, signs=True) as here,
        delivering(data, there.url, await there.add_tenant(CAMPUS), beside=here.writer) as ways,
    ):
        earned = await draw.play(here)
        if chance.random() < 0.5:
            assert await ways.drain()
        await here.decide()
        assert here.prizes() == {}, "nobody has won before the seed is there"
        if chance.random() < 0.5:
            await here.take([event(when="2026-09-21T09:00:00", who="ann", lesson="late").seen])
        assert await ways.drain()
        await here.decide()
        for run in here.runs():
            draw.check(here, run, earned)
