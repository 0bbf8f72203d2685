"""What `rules effect` says of a ledger, beside what is worked out of the same acts by hand."""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import date
from pathlib import Path
from statistics import mean

import pytest

from agent.cli.experiments.looking import BOTH, NO_PART, STAFF, Looked, looked
from agent.errors import ConfigError
from agent.ledger import file
from agent.ledger.privacy import retention
from agent.ledger.record import erased
from agent.model import Event
from tests.builders import NOW
from tests.integration.test_merging import Desk, desk
from tests.rule_stories import at, event, rule, rulebook

LEARNERS = [str(number) for number in range(100, 180)]
OVER = at("2026-10-05T09:00:00")
HEAD = 'schema = 1\ntimezone = "Africa/Johannesburg"\n'
NUDGE = """[experiment.nudge]
rules = ["r"]
held_out = "50%"
from = 2026-09-07
until = 2026-09-20
seed = "x"
"""
RULES = HEAD + rule() + NUDGE


def out(who: str, share: int = 50) -> bool:
    """Whether somebody is in the comparison group, as anybody can work it out."""
    digits = hashlib.sha256(f"x:nudge:moodle:{who}".encode()).hexdigest()[:16]
    return int(digits, 16) * 100 < share * 16**16


def lesson(who: str, number: int, *, day: str, **more: object) -> Event:
    return event(when=f"2026-{day}T09:00:00", who=who, lesson=str(number), key=f"{who} {number} {day}", **more)  # type: ignore[arg-type]


def done_by(who: str) -> tuple[int, int]:
    """How many lessons somebody completes before and since: who can earn by it three more."""
    own = int(who) % 3
    return own, own + (0 if out(who) else 3)


def acts(learners: list[str]) -> Iterator[Event]:
    for who in learners:
        before, since = done_by(who)
        yield from (
            event("user.logged_in", f"2026-{day}T08:00:00", who, lesson=None, key=who) for day in ("08-25", "09-19")
        )
        yield from (lesson(who, number, day=f"09-0{number + 1}") for number in range(before))
        yield from (lesson(who, number + 10, day=f"09-{number + 8:02d}") for number in range(since))


@asynccontextmanager
async def campus(directory: Path, rules: str = RULES, learners: list[str] = LEARNERS) -> AsyncIterator[Desk]:
    """Everybody's acts, read by the real pipeline."""
    async with desk(directory, rules + rule("user.logged_in", name="login", award="1")) as it:
        await it.here.take(*(one.seen for one in acts(learners)))
        yield it


def effect_of(directory: Path, rules: str = RULES, now: int = OVER) -> Looked:
    book = rulebook(rules + rule("user.logged_in", name="login", award="1"))
    with file.reading(directory) as connection:
        return looked(connection, book.experiments[0], book, now)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The campus; only looked at."""
    directory = tmp_path_factory.mktemp("effect")

    async def fill() -> None:
        async with campus(directory):
            pass

    asyncio.run(fill())
    return directory


def test_both_groups_are_what_the_hash_and_the_acts_make_of_them(filled: Path) -> None:
    found = effect_of(filled)
    for group, held in ((found.effect.free, False), (found.effect.held, True)):
        ours = [done_by(who) for who in LEARNERS if out(who) is held]
        assert group.learners == len(ours)
        assert group.before.mean == pytest.approx(mean(before for before, _ in ours))
        assert group.since.mean == pytest.approx(mean(since for _, since in ours))
        assert group.did == sum(since > 0 for _, since in ours)
    assert (found.effect.free.paid, found.effect.held.paid) == (found.effect.free.learners, 0)
    assert found.before_from == date(2026, 8, 25), "the first act that is known"
    assert found.verdict.startswith("Whoever could earn it has ")
    assert " more of what its rules stand on (between +" in found.verdict
    assert found.remarks == ()


def test_where_nothing_differs_it_is_told_and_by_another_draw_who_was_paid_all_the_same(filled: Path) -> None:
    same_for_all = RULES.replace('seed = "x"', 'seed = "x"\nmeasure = "user.logged_in"').replace("09-07", "08-25")
    told = effect_of(filled, same_for_all).verdict
    assert told == "No difference that so many learners could show: 0 each, between 0 and 0."
    other = effect_of(filled, RULES.replace('seed = "x"', 'seed = "y"'))  # by another draw there is no effect
    assert other.verdict.startswith("No difference that so many learners could show")
    assert any("were paid by these rules for acts of that time" in one for one in other.remarks)


async def test_a_mean_of_a_fact_is_compared_among_those_who_have_it(tmp_path: Path) -> None:
    measured = RULES + 'measure = "score_pct in quiz.submitted"\n'
    scores = {who: 60 if out(who) else 75 for who in LEARNERS}
    quizzes = [
        event(
            "quiz.submitted",
            f"2026-09-{10 + number}T09:00:00",
            who,
            lesson="9",
            key=who,
            facts={"score_pct": score + number},
        )
        for who, score in scores.items()
        for number in (0, 1)
    ]
    async with campus(tmp_path, measured) as it:
        await it.here.take(*(one.seen for one in quizzes))
    found = effect_of(tmp_path, measured)
    assert [float(group.since.mean) for group in (found.effect.free, found.effect.held)] == [75.5, 60.5]
    assert found.verdict.startswith("Whoever could earn it has a score_pct that is 15 higher (between +15 and +15)")


async def test_who_is_staff_takes_no_part_or_was_merged_between_the_groups_is_in_neither(tmp_path: Path) -> None:
    mine, theirs = (next(who for who in LEARNERS if out(who) is held) for held in (False, True))
    gone = next(who for who in LEARNERS if out(who) and who != theirs)
    async with campus(tmp_path) as it:
        staff = event("user.logged_in", "2026-09-10T08:00:00", "7", lesson=None, mark="staff")
        await it.here.take(staff.seen)
        await it.here.writer.run(lambda connection: erased.opt_out(connection, [("moodle", gone)], "a desk", NOW))
        await it.merge(mine, theirs)
        await it.here.take(lesson(mine, 99, day="09-20").seen)
        assert it.here.reasons()[-1].startswith("held-out: "), "the account that stays decides"
    found = effect_of(tmp_path)
    assert found.left_out == {STAFF: 1, NO_PART: 1, BOTH: 1}
    assert found.effect.free.learners == sum(not out(who) for who in LEARNERS) - 1
    assert found.effect.held.learners == sum(out(who) for who in LEARNERS) - 2


async def test_of_few_learners_nothing_is_said(tmp_path: Path) -> None:
    async with campus(tmp_path, learners=LEARNERS[:30]):
        pass
    found = effect_of(tmp_path)
    assert found.verdict.startswith("Too few learners to say: the comparison and the other groups have fewer than 20")
    assert (found.effect.difference, found.effect.did, found.effect.before) == (None, None, None)


def test_before_its_end_it_decides_nothing_and_before_its_begin_there_is_nothing(filled: Path) -> None:
    running = effect_of(filled, now=at("2026-09-18T09:00:00")).verdict
    assert running.startswith("So far: Whoever could earn it has ")
    assert running.endswith("It runs until 2026-09-20, and a look before that decides nothing.")
    assert effect_of(filled, now=at("2026-09-01T09:00:00")).verdict.startswith("It begins on 2026-09-07")


async def test_where_acts_that_earned_nothing_are_forgotten_nobody_can_say(tmp_path: Path) -> None:
    async with campus(tmp_path):
        pass
    key, upto = f"{retention.UPTO}moodle", str(at("2026-09-08T09:00:00"))
    with closing(sqlite3.connect(file.ledger_path(tmp_path))) as connection, connection:
        connection.execute("INSERT INTO setting (key, value) VALUES (?, ?)", (key, upto))
    assert effect_of(tmp_path).verdict.startswith(
        "Nobody can say: acts up to 2026-09-08 that earned nothing are forgotten"
    )


async def test_rules_that_paid_nobody_showed_nothing(tmp_path: Path) -> None:
    shadow = HEAD + rule(more='mode = "shadow"') + NUDGE
    async with campus(tmp_path, shadow):
        pass
    assert effect_of(tmp_path, shadow).verdict.startswith("Its rules paid nobody in that time")


def test_what_is_over_and_may_be_paid_says_how(filled: Path) -> None:
    after = effect_of(filled, RULES + "pay_after = true\n")
    assert any("--since 2026-09-07 --until 2026-09-20" in one for one in after.remarks)
    assert Counter(effect_of(filled).left_out) == Counter()


async def test_rules_that_drew_otherwise_meanwhile_are_told(tmp_path: Path) -> None:
    drawn = [list(acts(LEARNERS[:1])), list(acts(LEARNERS[1:]))]
    rules = [text + rule("user.logged_in", name="login", award="1") for text in (RULES.replace("50%", "40%"), RULES)]
    async with desk(tmp_path, rules[0]) as it:
        for text, given in zip(rules, drawn, strict=True):
            await it.here.pipeline.adopt(rulebook(text), text)
            await it.here.take(*(one.seen for one in given))
    assert any("draw it otherwise" in one for one in effect_of(tmp_path).remarks)


def test_where_nothing_says_what_to_compare_by_it_is_told_what_to_write(filled: Path) -> None:
    with pytest.raises(ConfigError, match="nothing says what the groups of nudge are compared by"):
        effect_of(filled, RULES.replace("award = 10", 'award = 10\nmode = "off"'))


def test_what_no_rule_asked_for_before_is_told(filled: Path) -> None:
    found = effect_of(filled, RULES + 'measure = "forum.posted"\n')
    assert any("not recorded all the time, since no rule asked for it: " in one for one in found.remarks)


def test_days_of_which_nothing_is_known_are_told(filled: Path) -> None:
    longer = RULES.replace("until = 2026-09-20", "until = 2026-09-30")
    (told, *_) = [one for one in effect_of(filled, longer).remarks if "newest" in one]
    assert told == "the newest act that is known is of 2026-09-19 (rewards-agent status)"
