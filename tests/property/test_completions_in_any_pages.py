"""What completed challenges bring about: the same for any split into pages, and told once in any order of arrival."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.engine import evaluate
from agent.engine.whatif.memory import Memory
from agent.model import Decision, Event, Outcome
from tests.effort import examples
from tests.property.test_challenges_in_any_order import EVENTS, STEPS
from tests.rule_stories import rulebook

HEARD = "challenge.completed"
RULES = rulebook(
    'schema = 1\ntimezone = "Europe/Berlin"\n'
    '[[check]]\nid = "v"\nvelocity = "3/6h"\nthen = "hold"\n'
    + "".join(
        f'[[challenge]]\nid = "c{n}"\naward = 10\n{more}\n{STEPS}'
        for n, more in enumerate(("", "repeat = true", 'repeat = "week"', 'order = "strict"\ndeadline = "3d"'))
    )
    + f'[[challenge]]\nid = "c6"\nenrol = "by hand"\nrepeat = true\nnext = "after"\n{STEPS}'
    + f'[[challenge]]\nid = "after"\nenrol = "by hand"\n{STEPS}'
    + '[[challenge]]\nid = "chain"\nrepeat = true\naward = 7\n'
    + f'[[challenge.step]]\non = "{HEARD}"\ncount = 2\nper = "event"\nconditions = {{ challenge = "c*" }}\n'.replace(
        '"c*"', '["c0", "c1", "c2"]'
    )
    + f'[[rule]]\nid = "each"\non = "{HEARD}"\naward = 1\n'
    + f'[[rule]]\nid = "capped"\non = ["{HEARD}", "lesson.completed"]\naward = 2\nlimit = "5/week"\ngroup = "g"\n'
    + '[[rule]]\nid = "rival"\non = "lesson.completed"\naward = 3\ngroup = "g"\n'
    + '[[badge]]\nid = "two"\ncount = { rule = "each", at_least = 2 }\nsticky = false\n'
    + '[[cap]]\ngroup = "g"\nlimit = "9 points/week"\n'
)
UNCHECKED = rulebook(
    'schema = 1\ntimezone = "Europe/Berlin"\n'
    + "".join(
        f'[[challenge]]\nid = "c{n}"\n{more}\n{STEPS}'
        for n, more in enumerate(("", 'repeat = "week"', "", "", "", "", 'enrol = "by hand"', "repeat = true"))
    )
    + f'[[rule]]\nid = "each"\non = "{HEARD}"\naward = 1\n'
)


def played(pages: Sequence[Sequence[Event]], rules: object = RULES) -> list[Decision]:
    """Every decision, from pages over one memory."""
    memory, found = Memory(), list[Decision]()
    for page in pages:
        verdicts = [verdict for one in page for verdict in evaluate.judge(one, rules)]  # type: ignore[arg-type]
        found += memory.book(memory.completed(verdicts, rules).verdicts)  # type: ignore[arg-type]
    return found


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS, st.lists(st.integers(1, 49), max_size=8))
def test_any_split_into_pages_comes_to_the_same_decisions(events: list[Event], cuts: list[int]) -> None:
    borders = [0, *sorted(set(cuts)), 50]
    parts = [events[begin:end] for begin, end in pairwise(borders)]
    assert played(parts) == played([events])


@settings(max_examples=examples(150), deadline=None)
@given(EVENTS, st.randoms(use_true_random=False))
def test_in_any_order_of_arrival_each_round_is_told_once(events: list[Event], random: object) -> None:
    in_time = sorted(events, key=lambda one: one.seen.occurred_at)
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    told = [
        Counter(
            (one.event_id, one.learner)
            for one in played([order], UNCHECKED)
            if one.rule_id == "each" and one.outcome is Outcome.awarded
        )
        for order in (in_time, shuffled)
    ]
    assert told[0] == told[1]
    assert all(count == 1 for count in told[0].values())
