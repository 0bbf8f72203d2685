"""An experiment takes from the held-out learners what its rules would have paid them, and changes nothing else.

Paid afterwards, they end with what everybody would have had, however the backfill is cut into pages.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine.experiment.intervals import Sums, of_means, of_shares
from agent.model import Decision, Outcome
from tests.capabilities.stage import stage
from tests.effort import examples
from tests.property.test_tried_then_paid import LIVE, backfilled, counted, from_the_beginning, paid, play, told
from tests.rule_stories import decide, event, rule, rulebook

WHO = ("ann", "ben", "cem", "dee", "eli")
HELD = ("capped", "days", "two")
SHARED = '[[cap]]\ngroup = "g"\nlimit = "25 points/week"\n'
ACTS = st.lists(st.tuples(st.sampled_from(WHO), st.integers(0, 14 * 24), st.integers(1, 6)), min_size=1, max_size=40)
"""Who completed a lesson, in which hour of two weeks, and which."""
MONDAY = 1_788_739_200  # 2026-09-07T00:00:00Z


def rules(names: Sequence[str]) -> str:
    """Rules with limits of their own and a cap that they share, a streak and a challenge."""
    two = (
        '[[challenge]]\nid = "two"\naward = 50\nrepeat = true\n[[challenge.step]]\non = "lesson.completed"\ncount = 2\n'
    )
    made = {
        "capped": rule(name="capped", more='group = "g"\nlimit = "2/day"'),
        "days": rule(name="days", more="streak = { days = 2, repeat = true }", award="5"),
        "other": rule(name="other", more='group = "g"', award="7"),
        "two": two,
    }
    return SHARED + "".join(text for name, text in made.items() if name in names)


def experiment(share: int, more: str = "", names: Sequence[str] = HELD) -> str:
    listed = ", ".join(f'"{name}"' for name in names)
    return f'[experiment.e]\nrules = [{listed}]\nheld_out = "{share}%"\nfrom = 2026-09-01\nuntil = 2026-10-31\n{more}\n'


MADE = rulebook(experiment(0, names=("other",)) + rules(("other",))).experiments[0]


def of_somebody(decisions: Sequence[Decision], who: str) -> list[tuple[object, ...]]:
    """What somebody was paid, in order."""
    return [
        (one.rule_id, one.scope, one.generation, one.postings, one.uses)
        for one in decisions
        if one.learner == f"moodle:{who}" and one.outcome is Outcome.awarded
    ]


@settings(max_examples=examples(60), deadline=None)
@given(ACTS, st.integers(0, 100))
def test_who_is_held_out_is_paid_as_if_its_rules_were_not_there_and_everybody_else_as_if_it_were_not(
    acts: list[tuple[str, int, int]], share: int
) -> None:
    every = [event(when=MONDAY + hour * 3600, who=who, lesson=str(lesson), key=str(n))
             for n, (who, hour, lesson) in enumerate(acts)]  # fmt: skip
    held = rulebook(experiment(share) + rules((*HELD, "other")))
    found, free = decide(held, every), decide(rulebook(rules((*HELD, "other"))), every)
    without = decide(rulebook(rules(("other",))), every)
    for who in WHO:
        out = held.experiments[0].holds_out(f"moodle:{who}")
        assert of_somebody(found, who) == of_somebody(without if out else free, who)
        said = [one.reason for one in found if one.learner == f"moodle:{who}" and one.rule_id in HELD]
        assert not out or all(reason.startswith("held-out: ") for reason in said)


@settings(max_examples=examples(60), deadline=None)
@given(st.text(max_size=8), st.fractions(0, 1, max_denominator=1000), st.fractions(0, 1, max_denominator=1000))
def test_a_larger_share_keeps_everybody_out_who_was_out(seed: str, one: Fraction, other: Fraction) -> None:
    small, large = (_group(seed, share) for share in sorted((one, other)))
    assert small <= large


@settings(max_examples=examples(20), deadline=None)
@given(st.text(max_size=8), st.integers(1, 99))
def test_a_group_is_near_the_share_that_was_asked_for(seed: str, percent: int) -> None:
    share = Fraction(percent, 100)
    off = len(_group(seed, share, 2_000)) - 2_000 * share
    assert off**2 < 6**2 * 2_000 * share * (1 - share)  # six times what chance usually makes of it


def _group(seed: str, share: Fraction, many: int = 100) -> set[str]:
    one = replace(MADE, seed=seed, share=share)
    return {who for who in (f"moodle:{number}" for number in range(many)) if one.holds_out(who)}


NUMBERS = st.lists(st.integers(-5, 50), min_size=2, max_size=30)
SHARE = st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count)))


@settings(max_examples=examples(60), deadline=None)
@given(NUMBERS, NUMBERS, SHARE, SHARE)
def test_a_difference_lies_between_its_bounds_and_the_other_way_round_is_its_opposite(
    one: list[int], other: list[int], mine: tuple[int, int], theirs: tuple[int, int]
) -> None:
    sums = [Sums(), Sums()]
    for part, numbers in zip(sums, (one, other), strict=True):
        for number in numbers:
            part.add(number)
    means, back = of_means(sums[0], sums[1]), of_means(sums[1], sums[0])
    assert means is not None
    assert back is not None
    for found, opposite in ((means, back), (of_shares(mine, theirs), of_shares(theirs, mine))):
        assert found.low <= found.estimate <= found.high
        assert (found.low, found.high) == (-opposite.high, -opposite.low)
    assert -1 <= of_shares(mine, theirs).low <= of_shares(mine, theirs).high <= 1


@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(WHO), st.integers(1, 20)), min_size=1, max_size=12),
    st.integers(0, 100),
    st.integers(1, 6),
)
def test_what_was_missed_is_paid_afterwards_once_wherever_pages_end(
    acts: list[tuple[str, int]], share: int, at_once: int
) -> None:
    async def story() -> None:
        names = ("rounds", "path", "days", "first")
        text, given = LIVE + experiment(share, "pay_after = true", names), told(acts)
        with tempfile.TemporaryDirectory() as room:
            async with stage(Path(room), text, shadow=False) as stood:
                await play(stood, *given)
                before = paid(Path(room))
                await backfilled(stood, names, at_once)
                assert paid(Path(room)) == before, "nobody is paid while it runs"
                stood.clock.pass_s(90 * 86_400)
                await backfilled(stood, names, at_once)
                whole = paid(Path(room))
                await backfilled(stood, names, at_once)
                assert paid(Path(room)) == whole, "a second time changes nothing"
                await stood.again()
                assert paid(Path(room)) == whole, "nor does the log that is read again"
        assert counted(whole) == counted(await from_the_beginning(LIVE, given))

    asyncio.run(story())
