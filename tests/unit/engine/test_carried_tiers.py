"""What of a tier the catalogue is told: totals, badges and choices of badges; the rest is the campus's to judge."""

from __future__ import annotations

import pytest

from agent.engine.recognition.carried import carried
from tests.rule_stories import ZONE, rule, rulebook
from wire.money.tiers import Tier

BEGIN = f"""schema = 1
timezone = "{ZONE}"
{rule()}
[currency.points]
decimals = 1

[[level]]
name = "Scholar"
currency = "points"
from = 30

[[badge]]
id = "ace"
name = "Ace"
all_of = [{{ rule = "r", at_least = 5 }}]

[[badge]]
id = "star"
name = "Star"
all_of = [{{ rule = "r", at_least = 9 }}]

[[tier]]
name = "Silver"
from = 20
"""


@pytest.mark.parametrize(
    ("gates", "told"),
    [
        ("from = 80", Tier(name="Gold", lifetime={"points": 800})),
        ("from = 80\nof = 'current'", Tier(name="Gold", current={"points": 800})),
        ("requires = { badges = ['ace', 'star'] }", Tier(name="Gold", badges=("ace", "star"))),
        ("from = 10\nrequires = { level = 'Scholar' }", Tier(name="Gold", lifetime={"points": 300})),
        ("requires = { tier = 'Silver' }", Tier(name="Gold", lifetime={"points": 200})),
        (
            "from = 80\nrequires = { any_of = [{ badge = 'ace' }, { badge = 'star' }] }",
            Tier(name="Gold", lifetime={"points": 800}, any_of=("ace", "star")),
        ),
        (
            "from = 80\nrequires = { rule = 'r', at_least = 3 }",
            Tier(name="Gold", lifetime={"points": 800}, on_campus=("awards of r",)),
        ),
        (
            "requires = { any_of = [{ badge = 'ace' }, { rule = 'r' }] }",
            Tier(name="Gold", on_campus=("one of several things",)),
        ),
    ],
)
def test_a_tier_is_told_as_far_as_wallets_can_show_it(gates: str, told: Tier) -> None:
    book = rulebook(f"{BEGIN}\n[[tier]]\nname = 'Gold'\n{gates}\n")
    assert carried(book.words, book.tiers) == [Tier(name="Silver", lifetime={"points": 200}), told]


def test_what_is_too_much_to_say_is_the_campuss_to_judge_and_never_open_to_all() -> None:
    badges = "".join(
        f"[[badge]]\nid = 'b{no}'\nname = 'B'\nall_of = [{{ rule = 'r', at_least = 5 }}]\n" for no in range(60)
    )
    wanted = ", ".join(f"'b{no}'" for no in range(60))
    book = rulebook(f"{BEGIN}\n{badges}[[tier]]\nname = 'Gold'\nrequires = {{ badges = [{wanted}] }}\n")
    assert carried(book.words, book.tiers)[1] == Tier(name="Gold", on_campus=("what its rules ask",))
