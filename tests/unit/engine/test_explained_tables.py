"""What stands in a file of rules beside its rules is explained as they are: no key goes untold."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from agent.config.rulefile.tables.challenge import Challenge, Step
from agent.config.rulefile.tables.check import FairCheck
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.engine import explain
from agent.engine.challenge.told import challenge_sentences
from agent.engine.schedule import telling
from tests.rule_stories import rule, rulebook

STEP = 'step = [{ on = "course.viewed" }]'
STEPS = 'step = [{ on = "course.viewed" }, { on = "quiz.submitted", count = 3 }]'
TOUR = f'[[challenge]]\nid = "tour"\naward = 5\n{STEPS}\n'
BURST = '[[check]]\nid = "burst"\nvelocity = "3/1h"\n'
STAR = '[[scheduled]]\nid = "star"\nevery = "week"\nrank = { by = "acts with lesson.completed" }\nplaces = [5]\n'
RAFFLE = '[[scheduled]]\nid = "raffle"\nevery = "week"\naward = 5\ndraw = { winners = 2 }\n'
RANKED = 'rank = { by = "acts with lesson.completed" }\nplaces = [5]'
BOTH = rule() + rule("forum.posted", name="talk", more='group = "talk"')
# Table, what stands in it, and what is put in its place or added.
CHANGES = [
    (TOUR, 'id = "tour"', 'id = "walk"'),
    (TOUR, STEPS, STEP),
    (TOUR, "count = 3", "count = 4"),
    (TOUR, "count = 3", 'count = 3, per = "day"'),
    (TOUR, "count = 3", 'count = 3, title = "Pass"'),
    (TOUR, "count = 3", 'count = 3, conditions = { score_pct = ">=60" }'),
    (TOUR, "award = 5", "award = 6"),
    *((TOUR, "award = 5", f"award = 5\n{more}") for more in (
        'title = "Tour"', 'description = "A tour."', 'message = "Done"', 'order = "strict"', 'deadline = "14d"',
        "deadline = 2026-12-20", "repeat = true", 'repeat = "week"', 'enrol = "by hand"',
        'enrol = { cohorts = ["D"] }', 'badge = "ace"', 'next = "last"', 'limit = "1/year"',
        'min_trust = "server_verified"', 'recipient = "actor"', 'mode = "shadow"', "active = { from = 2026-01-01 }",
        'audience = { courses = ["A"] }', 'group = "g"', 'tags = ["t"]',
    )),
    *((BURST, 'velocity = "3/1h"', more) for more in (
        'velocity = "4/1h"', 'identical = { within = "1m" }', 'toggling = "3/1d"', "self_rating = true",
        'suspicion = "3/1d"', "empty = true", 'duplicate_text = { within = "7d" }', 'reciprocal = { within = "7d" }',
    )),
    *((BURST, 'id = "burst"', f'id = "burst"\n{more}') for more in (
        'on = "forum.*"', 'rules = ["talk"]', 'group = "talk"', 'by = "actor"', 'then = "hold"', 'then = "flag"',
        'reason = "too fast"', "weight = 3", 'if_unknown = "hold"',
    )),
    (BURST.replace("velocity", "toggling"), 'id = "burst"', 'id = "burst"\nabout = "course"'),
    *((BURST.replace('velocity = "3/1h"', "empty = { words = 9, characters = 9, files = 2 }"), f"{name} = {old}",
       f"{name} = 5") for name, old in (("words", 9), ("characters", 9), ("files", 2))),
    *((BURST.replace('velocity = "3/1h"', "duplicate_text = { alike = 90 }"), "alike = 90", more) for more in (
        "alike = 91", 'of = "own"', 'in = "site"', 'in = "forum"', "min_words = 6", 'within = "3d"',
    )),
    (BURST.replace('velocity = "3/1h"', 'reciprocal = { within = "7d" }'), '"7d"', '"7d", times = 3'),
    (STAR, 'id = "star"', 'id = "sun"'),
    (STAR, 'every = "week"', 'every = "month"'),
    (STAR, 'every = "week"', 'cron = "0 8 * * MON"'),
    (STAR, "[5]", "[6]"),
    (STAR, RANKED,
     'attendance = { of = "lesson.completed", days = 3 }\naward = 5'),
    (STAR, RANKED, 'anniversary = { of = "enrolment" }\naward = 5'),
    (STAR, RANKED, 'inactivity = { for = "7d" }\naward = 5'),
    (STAR, RANKED, "draw = { winners = 2 }\naward = 5"),
    *((STAR, 'every = "week"', f'every = "week"\n{more}') for more in (
        'title = "Star"', 'description = "Who did most."', 'over = "30d"', 'settle = "12h"', 'ties = "split"',
        "counts = true", 'conditions = { origin = "web" }', 'min_trust = "server_verified"', 'recipient = "actor"',
        'audience = { cohorts = ["D"] }', 'limit = "1/year"', 'budget = "500 points/month"', 'cooldown = "9d"',
        'mode = "shadow"', 'mode = "off"', 'message = "Place {place}"', 'group = "g"', 'tags = ["t"]',
    )),
    *((STAR, '" }', f'", {more} }}') for more in ("at_least = 3", 'course = "A"')),
    *((RAFFLE, "award = 5", more) for more in ("award = 6", 'award = 5\nbadge = "ace"')),
    *((RAFFLE, "winners = 2", f"winners = {more}") for more in (
        "3", '2, among = { by = "points earned", at_least = 9 }', '2, announce = "see our page"', '2, seed = "chain"',
        '2, tickets = 5, among = { by = "points earned" }',
    )),
]  # fmt: skip


def _explained(table: str) -> list[tuple[str, ...]]:
    whose = 'recipient = "actor"\n' if "actor" in table else ""
    last = f'[[challenge]]\nid = "last"\nenrol = "by hand"\n{whose}{STEP}\n'
    book = rulebook(f'[[badge]]\nid = "ace"\n{table}{last}{BOTH}')
    return [
        *(explain.rule_sentences(one, book) for one in book.rules if one.id in ("r", "talk")),
        *(challenge_sentences(one, book) for one in book.challenges),
        *(telling.sentences(one, book) for one in book.scheduled),
    ]


@pytest.mark.parametrize(("table", "key", "more"), CHANGES)
def test_every_key_of_a_challenge_a_check_and_a_scheduled_reward_is_told(table: str, key: str, more: str) -> None:
    assert key in table
    assert _explained(table.replace(key, more, 1)) != _explained(table)


@pytest.mark.parametrize("model", [Challenge, FairCheck, Scheduled, Step])
def test_no_key_of_a_challenge_a_check_or_a_scheduled_reward_is_left_out(model: type[BaseModel]) -> None:
    written = "\n".join(table + more for table, _, more in CHANGES)
    keys = {field.alias or name for name, field in model.model_fields.items()}
    assert {key for key in keys if not re.search(rf"\b{key} = ", written)} == set()
