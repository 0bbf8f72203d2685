"""`challenge …`, and what other commands say of challenges, as an administrator types them, over a real ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpdesk import Desk, completed, filled

CHALLENGES = """
[[challenge]]
id = "two-lessons"
title = "Two lessons"
award = 30
enrol = "by hand"
deadline = "14d"
next = "three-more"

  [[challenge.step]]
  title = "Lessons"
  on = "lesson.completed"
  count = 2

[[challenge]]
id = "three-more"
enrol = "by hand"
badge = "keen"

  [[challenge.step]]
  on = "lesson.completed"
  count = 3
"""


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only copied."""
    return filled(tmp_path_factory.mktemp("challenges") / "campus")


@pytest.fixture
def desk(campus: Desk, tmp_path: Path) -> Desk:
    """A copy whose rules have challenges."""
    own = campus.copy(tmp_path / "campus")
    rules = own.directory / "rules.toml"
    rules.write_text(rules.read_text() + CHALLENGES)
    return own


def enrolled(desk: Desk, *words: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = desk.json("challenge", "enrol", "two-lessons", *words, "--by", "B. Desk")
    return found


def test_enrolled_by_hand_the_acts_count_and_the_last_pays_and_enrols_into_the_next(desk: Desk) -> None:
    assert enrolled(desk, "ann", "--at", "2026-09-12") == [{"learner": "moodle:35", "told": "enrolled", "postings": {}}]
    desk.catch_up()
    (stands,) = desk.json("challenge", "progress", "two-lessons")
    assert (stands["learner"], stands["told"]) == ("moodle:35", "two-lessons: over, step 1 1/2")
    assert stands["ends"] == "2026-09-25T22:00:00Z"

    completed(desk.moodle, 17, 35, 13, "09-13T08:00")
    desk.catch_up()

    assert desk.json("challenge", "progress", "two-lessons")[0]["state"] == "completed"
    assert "two-lessons: completed" in desk.command("learner", "show", "ann").stdout
    (entry,) = desk.json("ledger", "list", "--rule", "two-lessons")
    assert (entry["amount"], entry["kind"], entry["currency"]) == (30, "award", "points")
    # The act that completes the first is also the first that counts in the next.
    assert [one["told"] for one in desk.json("learner", "show", "ann")["challenges"]] == [
        "two-lessons: completed",
        "three-more: under way, step 1 1/3",
    ]
    assert desk.command("ledger", "verify").returncode == 0


def test_who_did_it_is_recorded_and_doing_it_twice_does_nothing_more(desk: Desk) -> None:
    enrolled(desk, "ann", "--at", "2026-09-12", "--reason", "asked for it")
    assert enrolled(desk, "ann", "--at", "2026-09-12")[0]["told"] == "recorded already"
    ((payload,),) = desk.ledger("SELECT CAST(payload AS TEXT) FROM event ORDER BY event_no DESC LIMIT 1")
    assert '"by":"B. Desk"' in payload
    assert '"reason":"asked for it"' in payload


def test_who_is_withdrawn_earns_nothing_there_any_more(desk: Desk) -> None:
    enrolled(desk, "ann", "--at", "2026-09-10")
    desk.command("challenge", "withdraw", "two-lessons", "ann", "--at", "2026-09-11", "--by", "B. Desk")
    desk.catch_up()
    assert desk.json("challenge", "progress", "two-lessons")[0]["state"] == "not enrolled"
    assert desk.json("learner", "why", "ann", "--on", "2026-09-12", "--rule", "two-lessons")["rules"][0][
        "sentence"
    ].startswith("two-lessons gave moodle:35 nothing: withdrawn")


def test_enrolled_late_what_was_done_since_then_counts_at_once(desk: Desk) -> None:
    completed(desk.moodle, 17, 35, 13, "09-13T08:00")
    desk.catch_up()
    (told,) = enrolled(desk, "ann", "--at", "2026-09-12")
    assert told["postings"] == {"points": 30}


def test_an_act_that_is_approved_later_counts(desk: Desk) -> None:
    enrolled(desk, "ann", "--at", "2026-09-05")
    completed(desk.moodle, 17, 35, 13, "09-07T08:00")  # older than its elders: held
    desk.catch_up()
    (held,) = desk.json("review", "list", "--rule", "two-lessons")
    (settled,) = desk.json("review", "approve", str(held["decision"]), "--by", "B. Desk")
    assert settled["outcome"] == "awarded"
    assert settled["postings"] == {"points": 30}


def test_approved_progress_is_kept_although_it_pays_nothing_yet(desk: Desk) -> None:
    rules = desk.directory / "rules.toml"
    rules.write_text(rules.read_text().replace("count = 2", "count = 3"))
    enrolled(desk, "ann", "--at", "2026-09-05")
    completed(desk.moodle, 17, 35, 13, "09-07T08:00")
    desk.catch_up()
    (held,) = desk.json("review", "list", "--rule", "two-lessons")
    (settled,) = desk.json("review", "approve", str(held["decision"]), "--by", "B. Desk")
    assert settled["outcome"] == "counted: step 1 of 1: 2 of 3"
    assert desk.json("challenge", "progress", "two-lessons")[0]["steps"][0]["done"] == 2
    assert desk.json("review", "list", "--rule", "two-lessons") == []


def test_challenges_are_listed_and_explained(desk: Desk) -> None:
    (first, second) = desk.json("challenge", "list")
    assert (first["challenge"], first["enrol"], first["deadline"], first["begun"]) == (
        "two-lessons",
        "by hand",
        "14d",
        0,
    )
    assert second["challenge"] == "three-more"
    assert desk.command("rules", "explain", "two-lessons").stdout.splitlines() == [
        "two-lessons",
        "  Two lessons: a challenge of 1 step.",
        "  Step 1: Lessons: 2 of lesson.completed, each lesson once.",
        "  To be completed within 14d of the enrolment.",
        "  Can be completed once.",
        "  Counts only for those who were enrolled, from then on.",
        "  The subject gets 30 points.",
        "  An event believed less than trusted_source is held.",
        "  Whoever completes it is enrolled in three-more.",
    ]


def test_an_unknown_challenge_is_told_with_the_nearest_and_the_future_is_refused(desk: Desk) -> None:
    done = desk.command("challenge", "enrol", "two-lesson", "ann", check=False)
    assert done.returncode == 1
    assert "did you mean two-lessons?" in done.stderr
    done = desk.command("challenge", "enrol", "two-lessons", "ann", "--at", "2199-01-01", check=False)
    assert "still to come" in done.stderr


def test_a_challenge_that_came_later_can_be_backfilled(desk: Desk) -> None:
    rules = desk.directory / "rules.toml"
    rules.write_text(rules.read_text().replace('enrol = "by hand"\ndeadline = "14d"', ""))
    done = desk.command("rules", "backfill", "--rule", "two-lessons", "--since", "2026-09-01", "--yes", check=False)
    assert done.returncode == 0, done.stderr
    assert [one["amount"] for one in desk.json("ledger", "list", "--rule", "two-lessons")] == [30]
