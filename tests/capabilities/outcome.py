"""What came of a story, as the ledger has it, and what of its expectations is not so."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from agent.cli.badges.shelf import shelf
from agent.config.settings import load_settings
from agent.engine.rulebook import BADGE, Rulebook
from agent.ledger import file, reading, verify
from agent.model import Outcome
from tests.capabilities.stage import SITE, Stage
from tests.capabilities.story import Story

CONFIG = '[agent]\ncampus = "c"\ndata_dir = "."\n[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "sqlite:///x"\n'


def entries(data_dir: Path) -> list[str]:
    """`ann +10 points lesson-completed`, and the reason of what is no award, in order."""
    with file.reading(data_dir) as connection:
        found = [(row.learner, row.fields) for row in reading.entries(connection, badges=True)]
    return [
        f"{learner.partition(':')[2]} {each['amount']:+d} {each['currency']} {each['rule']}".rstrip()
        + (f": {each['reason']}" if each.get("reason") else "")
        for learner, each in found
    ]


def assert_sound(data_dir: Path) -> None:
    """The chain holds, and what is projected is what the entries come to."""
    with file.reading(data_dir) as connection:
        assert verify.verify(connection).findings == ()
        folded: defaultdict[tuple[str, str], int] = defaultdict(int)
        for row in reading.entries(connection, badges=True):
            folded[row.learner, row.fields["currency"]] += row.fields["amount"]
        for learner in {learner for learner, _ in folded}:
            balances = reading.balances_of(connection, learner)
            mine = {currency: amount for (who, currency), amount in folded.items() if who == learner}
            assert {currency: amount for currency, (amount, _) in balances.items()} == mine


def untrue(story: Story, stood: Stage) -> list[str]:
    """Every sentence of a story that is not so."""
    rules = stood.pipeline.rulebook
    found = [*_amounts(story, stood, rules), *_outcomes(story, stood), *_shown(story, stood)]
    if story.entries is not None and list(story.entries) != (told := entries(stood.data_dir)):
        found.append("the entries are:\n" + "\n".join(f'    "{line}",' for line in told))
    return found


def _amounts(story: Story, stood: Stage, rules: Rulebook) -> list[str]:
    found = []
    with file.reading(stood.data_dir) as connection:
        listed = list(reading.entries(connection, badges=True))
    for expected in story.expect:
        learner, rule = f"{SITE}:{expected['learner']}", expected.get("rule")
        has: defaultdict[str, int] = defaultdict(int)
        for row in listed:
            if row.learner == learner and rule in {None, row.fields["rule"]}:
                has[row.fields["currency"]] += row.fields["amount"]
        wanted = {key: value for key, value in expected.items() if key not in {"learner", "rule", "badges"}}
        mine = {
            currency: Decimal(amount) / 10 ** rules.decimals.get(currency, 0)
            for currency, amount in has.items()
            if amount and not currency.startswith(BADGE)
        }
        badges = sorted(
            currency.removeprefix(BADGE) for currency, amount in has.items() if amount and BADGE in currency
        )
        if mine != {key: value for key, value in wanted.items() if value}:
            found.append(f"{expected} has {mine}")
        if "badges" in expected and badges != sorted(expected["badges"]):
            found.append(f"{expected} has the badges {badges}")
    return found


def _outcomes(story: Story, stood: Stage) -> list[str]:
    found = []
    for name, outcome in (("refused", Outcome.refused), ("held", Outcome.held)):
        for expected in getattr(story, name):
            with file.reading(stood.data_dir) as connection:
                told = reading.decisions_about(connection, stood.number_of(expected["event"]))
            mine = [row.decision for row in told if row.decision.rule_id == expected["rule"]]
            if not any(one.outcome is outcome and one.reason.startswith(expected["because"]) for one in mine):
                found.append(f"{name} {expected}: it is {[(one.outcome.name, one.reason) for one in mine]}")
    for expected in story.messages:
        with file.reading(stood.data_dir) as connection:
            told = reading.decisions_about(connection, stood.number_of(expected["event"]))
        said = [row.decision.message for row in told if row.decision.rule_id == expected["rule"]]
        if expected["says"] not in said:
            found.append(f"{expected}: it says {said}")
    return found


def _shown(story: Story, stood: Stage) -> list[str]:
    return [line for expected in story.shown for line in _shown_one(expected, stood)]


def _shown_one(expected: Mapping[str, Any], stood: Stage) -> list[str]:
    learner = f"{SITE}:{expected['learner']}"
    path = stood.data_dir / "config.toml"
    path.write_text(CONFIG)
    with file.reading(stood.data_dir) as connection:
        balances = reading.balances_of(connection, learner)
    had = [name.removeprefix(BADGE) for name, (amount, _) in balances.items() if name.startswith(BADGE) and amount > 0]
    found = shelf(load_settings(path), stood.pipeline.rulebook, learner, had)
    has: dict[str, Any] = {
        "level": next((one["level"] for one in found["levels"]), ""),
        "tier": found["tier"],
        "sees": [tier["name"] for tier in found["tiers"] if tier["visible"]],
        "next": (found["next_tier"] or {}).get("lacks", ""),
        "badges": [one["title"] for one in found["badges"]],
    }
    return [
        f"{key} of {learner} is {has[key]!r}"
        for key, value in expected.items()
        if key != "learner" and has[key] != value
    ]
