"""rules.example.toml: it loads, its stories are true, and it shows or documents every option there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from agent.config.comparison import IfUnknown
from agent.config.facts import FactTable
from agent.config.grammar import CALENDAR_WINDOWS, Over
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules
from agent.config.rulefile.models import RulesPart
from agent.config.rulefile.types import ONCE_PER
from agent.engine.rules import compile_rules
from agent.engine.stories import run_cases
from agent.model import ROLES, Trust

EXAMPLE = Path(__file__).parents[3] / "rules.example.toml"


def options(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[str]:
    """Every key of a model and of the models inside it."""
    seen = seen if seen is not None else set()
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        yield field.alias or name
        yield from (key for inner in models_in(field.annotation) for key in options(inner, seen))


def models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def test_the_example_loads_without_warnings_and_its_stories_are_true() -> None:
    rules = load_rules([EXAMPLE])
    rulebook = compile_rules(rules, KindTable())
    assert rules.warnings == ()
    told = {result.name: result.failures for result in run_cases(rules, rulebook)}
    assert len(told) == 7
    assert {story: failures for story, failures in told.items() if failures} == {}
    assert rulebook.demand.facts <= {entry.name for entry in FactTable().entries}


def test_every_rule_of_the_example_that_pays_has_an_example_of_its_own() -> None:
    assert all(placed.it.example for placed in load_rules([EXAMPLE]).rules if placed.it.mode != "off")


SUPPORTED = sorted(set(options(RulesPart)))
WORDS = sorted({*ONCE_PER, *CALENDAR_WINDOWS, *get_args(Over), *get_args(IfUnknown), *ROLES, *Trust.__members__})


@pytest.mark.parametrize("option", [*SUPPORTED, *WORDS])
def test_every_option_is_shown_or_documented_in_the_example(option: str) -> None:
    assert re.search(rf"\b{re.escape(option)}\b", EXAMPLE.read_text())


def test_the_default_rules_are_there() -> None:
    ids = {placed.it.id for placed in load_rules([EXAMPLE]).rules if placed.it.mode == "live"}
    assert ids == {
        *("lesson-completed", "section-mastery", "course-in-time", "weekly-streak", "forum-post", "constructive-post"),
        *("course-completed", "programme-complete", "quiz-80"),
    }
