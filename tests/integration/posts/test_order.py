"""Posts come in no certain order: what was done and undone within one second ends as it did in Moodle."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.integration.webservices.campus import LEARNER, completed, hosted
from tests.rule_stories import rule

RULES = rule(more='reverse_on = "lesson.uncompleted"')
Post = dict[str, Any]


def told(state: int, number: int | None) -> Post:
    """A completion as the plugin posts it, with the number that it gave the event; None: the template leaves it out."""
    said = {"id": "{id}" if number is None else str(number)}
    return completed() | said | {"other_completionstate": str(state)}


async def paid(directory: Path, *posts: Post) -> dict[str, int]:
    async with hosted(directory, RULES, look_ups=False) as at:
        for post in posts:
            await at.post(post)
        return at.at.balances()


VIEWED = (told(0, 57), told(1, 59))
"""Moodle undoes and completes an activity that is completed by viewing it, in one second."""


@pytest.mark.parametrize("posts", [*permutations(VIEWED), *permutations((told(0, None), told(1, None)))])
async def test_an_activity_that_is_completed_by_viewing_it_stays_paid_whichever_post_comes_first(
    tmp_path: Path, posts: tuple[Post, Post]
) -> None:
    assert await paid(tmp_path, *posts) == {str(LEARNER): 10}


@pytest.mark.parametrize("posts", [*permutations((told(1, 57), told(0, 59)))])
async def test_what_was_undone_within_the_second_is_taken_back_whichever_post_comes_first(
    tmp_path: Path, posts: tuple[Post, Post]
) -> None:
    assert await paid(tmp_path, *posts) in ({}, {str(LEARNER): 0})


@pytest.mark.parametrize("number", ["12a", "-3", "9" * 40, "", 7.5, None, ["x"]])
async def test_a_number_that_is_none_refuses_no_post(tmp_path: Path, number: object) -> None:
    assert await paid(tmp_path, completed() | {"id": number}) == {str(LEARNER): 10}
