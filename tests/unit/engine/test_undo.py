"""What was undone is taken back, once, whoever undid it; doing it anew earns anew."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.config.document import FaultsError
from agent.engine import booking, evaluate, explain
from agent.engine.evaluate import NEVER_UNDO
from agent.engine.review import approval
from agent.engine.whatif.trial import Trial
from agent.model import Event, EventMark, Observation, PersonMark, Trust
from tests.rule_stories import decide, event, line, play, rule, rulebook

QUIZ = rule("quiz.submitted", 'reverse_on = "quiz.attempt_deleted"')
LESSON = rule("lesson.completed", 'reverse_on = "lesson.uncompleted"')
POSTS = rule("forum.posted", 'reverse_on = ["forum.post_deleted", "forum.discussion_deleted"]', award="5")


def attempt(hour: int, number: str = "1", kind: str = "quiz.submitted", who: str = "ann", by: str = "") -> Event:
    return event(
        kind,
        f"2026-09-07T{hour:02d}:00:00",
        who,
        obj=("quiz_attempts", number),
        people={"subject": who, "actor": by or who},
    )


def deleted(hour: int, number: str = "1", by: str = "teacher") -> Event:
    return attempt(hour, number, "quiz.attempt_deleted", by=by)


def done(hour: int, who: str = "ann", *, undo: bool = False, lesson: str = "1", position: int = 1) -> Event:
    kind = "lesson.uncompleted" if undo else "lesson.completed"
    one = event(kind, f"2026-09-07T{hour:02d}:00:00", who, lesson=lesson, key=str(position))
    return replace(one, seen=replace(one.seen, position=position))


def post(
    hour: int, number: str, who: str = "ann", *, discussion: str | None = None, kind: str = "forum.posted"
) -> Event:
    facts = {"discussion": discussion} if discussion else {}
    return event(kind, f"2026-09-07T{hour:02d}:00:00", who, post=number, obj=("forum_posts", number), facts=facts)


def discussion(hour: int, number: str, first: str | None, who: str = "ann", *, kind: str = "forum.posted") -> Event:
    return event(kind, f"2026-09-07T{hour:02d}:00:00", who, post=first, obj=("forum_discussions", number))


def test_a_deleted_attempt_takes_its_award_back_and_names_why() -> None:
    paid, back = decide(rulebook(QUIZ), [attempt(9), deleted(10)])
    assert line(paid) == "ann +10 points"
    assert (back.outcome.name, back.learner, back.reason) == ("reversed", "moodle:ann", "undone: quiz.attempt_deleted")
    assert [(posting.currency, posting.amount) for posting in back.postings] == [("points", -10)]
    assert back.reverses is not None
    assert (back.reverses.number, back.scope, back.role) == (1, paid.scope, "subject")
    assert explain.decision_sentence(back) == "r took back 10 points from moodle:ann: undone: quiz.attempt_deleted."


def test_another_attempt_of_the_same_quiz_undoes_nothing() -> None:
    assert play(QUIZ, attempt(9), deleted(10, "2")) == ["ann +10 points", "ann refused nothing to undo"]


def test_doing_it_again_is_a_new_generation_paid_once() -> None:
    decisions = decide(rulebook(QUIZ), [attempt(9), deleted(10), attempt(11, "2"), attempt(12, "3"), deleted(13, "2")])
    assert [one.generation for one in decisions if one.outcome.name == "awarded"] == [0, 1]
    assert [line(one) for one in decisions[2:]] == [
        "ann +10 points",
        "ann refused once_per lesson",
        "ann reversed undone: quiz.attempt_deleted",
    ]


def test_an_undo_frees_scope_and_limits_but_not_the_cooldown() -> None:
    limited = rule("lesson.completed", 'reverse_on = "lesson.uncompleted"\nlimit = ["1/day", "1/2d"]')
    assert play(limited, done(9), done(10, undo=True), done(11))[2] == "ann +10 points"
    cooled = rule("lesson.completed", 'reverse_on = "lesson.uncompleted"\ncooldown = "1d"')
    assert play(cooled, done(9), done(10, undo=True), done(11))[2] == "ann refused cooldown 1d"
    assert play(cooled, done(9), done(10, undo=True), done(11), shadow=True)[2] == "ann refused cooldown 1d"


def test_an_undo_before_its_act_refuses_the_act_and_not_a_later_one() -> None:
    assert play(QUIZ, deleted(10), attempt(9), attempt(11)) == [
        "ann refused nothing to undo",
        "ann refused undone",
        "ann +10 points",
    ]


def test_within_one_second_the_order_of_the_log_decides() -> None:
    undo, before, after = done(9, undo=True, position=5), done(9, position=4), done(9, position=6)
    assert play(LESSON, undo, before) == ["ann refused nothing to undo", "ann refused undone"]
    assert play(LESSON, undo, after) == ["ann refused nothing to undo", "ann +10 points"]


def test_an_undo_seen_after_the_act_was_repeated_leaves_the_award() -> None:
    assert play(LESSON, done(9), done(11), done(10, undo=True)) == [
        "ann +10 points",
        "ann refused once_per lesson",
        "ann refused done again since",
    ]
    assert play(LESSON, done(11), done(10, undo=True))[1] == "ann refused nothing to undo"


def test_an_undo_concerns_its_learner_and_its_lesson_only() -> None:
    assert play(LESSON, done(9), done(10, "ben", undo=True), done(10, undo=True, lesson="2"))[1:] == [
        "ben refused nothing to undo",
        "ann refused nothing to undo",
    ]


def test_whoever_deletes_a_post_the_author_gives_the_points_back() -> None:
    by_teacher = post(10, "7", "teacher", kind="forum.post_deleted")
    assert play(POSTS, post(9, "7"), by_teacher) == ["ann +5 points", "ann reversed undone: forum.post_deleted"]


def test_a_deleted_discussion_takes_back_its_first_post_and_every_reply() -> None:
    started, reply, other = discussion(8, "3", "20"), post(9, "21", "ben", discussion="3"), post(9, "22", "cat")
    gone = discussion(10, "3", None, "teacher", kind="forum.discussion_deleted")
    assert play(POSTS, started, reply, other, gone)[3:] == [
        "ann reversed undone: forum.discussion_deleted",
        "ben reversed undone: forum.discussion_deleted",
    ]
    assert play(POSTS, gone, reply)[1] == "ben refused undone"


def test_a_reply_that_was_deleted_before_its_discussion_is_taken_back_once() -> None:
    reply, gone = post(9, "21", discussion="3"), post(10, "21", kind="forum.post_deleted")
    all_gone = discussion(11, "3", None, kind="forum.discussion_deleted")
    assert play(POSTS, reply, gone, all_gone)[1:] == [
        "ann reversed undone: forum.post_deleted",
        "ann refused nothing to undo",
    ]


@pytest.mark.parametrize(
    ("on", "undo", "about"),
    [
        ("course.completed", "course.unenrolled", None),
        ("badge.awarded", "badge.revoked", ("badge", "4")),
        ("survey.submitted", r"'\\mod_feedback\\event\\response_deleted'", ("feedback_completed", "9")),
    ],
)
def test_courses_badges_and_other_objects_are_undone_for_their_learner(
    on: str, undo: str, about: tuple[str, str] | None
) -> None:
    rules = rule(on, f"reverse_on = {undo}" if "\\" in undo else f'reverse_on = "{undo}"').replace("\\\\", "\\")
    lms = undo.strip("'").replace("\\\\", "\\") if "\\" in undo else ""
    kind = None if lms else undo
    act = event(on, obj=about)
    others = event(kind, "2026-09-07T10:00:00", "ben", obj=about, lms_event=lms)
    own = event(kind, "2026-09-07T10:00:00", obj=about, lms_event=lms)
    assert play(rules, act, others, own) == [
        "ann +10 points",
        "ben refused nothing to undo",
        f"ann reversed undone: {lms or undo}",
    ]


def test_every_recipient_of_an_act_gives_back_what_it_brought() -> None:
    rules = rule(
        "lesson.completed",
        'reverse_on = "lesson.uncompleted"',
        award='[{ to = "referrer", points = 50 }, { to = "subject", points = 10 }]',
    )
    act = event(people={"subject": "ann", "actor": "ann", "referrer": "ref"})
    assert play(rules, act, done(10, undo=True))[2:] == [
        "ref reversed undone: lesson.uncompleted",
        "ann reversed undone: lesson.uncompleted",
    ]


def changed(one: Event, *, marks: tuple[EventMark, ...] = (), mark: PersonMark | None = None) -> Event:
    seen: Observation = replace(one.seen, marks=frozenset(marks), person_marks={"ann": mark} if mark else {})
    return replace(one, seen=seen)


@pytest.mark.parametrize(("mark", "reason"), NEVER_UNDO)
def test_what_did_not_happen_or_was_only_cleared_away_undoes_nothing(mark: EventMark, reason: str) -> None:
    assert play(QUIZ, attempt(9), changed(deleted(10), marks=(mark,)))[1] == f"ann refused {reason}"


def test_no_other_mark_protects_an_award() -> None:
    for undo in (changed(deleted(10), marks=("logged_in_as", "backdated")), changed(deleted(10), mark="staff")):
        assert play(QUIZ, attempt(9), undo)[1] == "ann reversed undone: quiz.attempt_deleted"


def test_an_undo_that_is_believed_less_than_the_rule_asks_undoes_nothing() -> None:
    undo = replace(deleted(10), trust=Trust.unverified)
    assert play(QUIZ, attempt(9), undo)[1] == "ann refused trust unverified below trusted_source"


def test_an_undo_without_its_object_or_its_learner_is_told() -> None:
    nameless = event("lesson.uncompleted", people={"actor": "teacher"})
    assert play(LESSON, nameless) == ["nobody refused no lesson"]
    assert play(QUIZ, event("quiz.attempt_deleted")) == ["ann refused no object"]
    assert play(LESSON, event("lesson.uncompleted", lesson=None)) == ["ann refused no lesson"]
    assert play(rule("badge.awarded", 'reverse_on = "badge.revoked"'), event("badge.revoked")) == [
        "ann refused no badge"
    ]
    assert play(POSTS, event("forum.post_deleted", post=None)) == ["ann refused no post"]
    assert play(POSTS, event("forum.discussion_deleted", obj=("other", "1"))) == ["ann refused no discussion"]


def test_a_rule_that_is_off_takes_nothing_back() -> None:
    assert play(QUIZ + 'mode = "off"', deleted(10)) == ["ann refused mode off"]


def test_what_shadow_would_have_paid_it_would_take_back() -> None:
    assert play(QUIZ, attempt(9), deleted(10), attempt(11), shadow=True) == [
        "ann would get +10 points",
        "ann would get -10 points",
        "ann would get +10 points",
    ]


def test_an_undone_held_decision_is_closed() -> None:
    rules = rulebook(QUIZ)
    waiting = replace(attempt(9), trust=Trust.unverified)
    held, undo = decide(rules, [waiting, deleted(10)])
    assert (line(held), line(undo)) == (
        "ann held trust unverified below trusted_source",
        "ann refused held decision undone: quiz.attempt_deleted",
    )
    assert undo.supersedes == (-1,)
    assert play(QUIZ, deleted(10), waiting)[1] == "ann refused undone"
    later = replace(attempt(11), trust=Trust.unverified)
    assert play(QUIZ, later, deleted(10))[1] == "ann refused nothing to undo"


def test_an_approved_award_can_be_undone_too() -> None:
    rules = rulebook(QUIZ)
    (held,) = decide(rules, [replace(attempt(9), trust=Trust.unverified)])
    paid = approval.approve(held, rules, rules, booking.State.load((), {}))
    assert [use.meter for use in paid.uses] == ["once:r", "object:r"]


def test_an_event_that_undoes_by_a_wildcard_rule_does_not_earn_by_it() -> None:
    assert play(rule("forum.*", 'reverse_on = "forum.post_deleted"'), post(9, "1", kind="forum.post_deleted")) == [
        "ann refused nothing to undo"
    ]


def test_what_a_page_must_know_of_the_past_is_asked_for_by_key() -> None:
    rules = rulebook(LESSON)
    act = booking.wants(evaluate.judge(done(9), rules))
    undo = booking.wants(evaluate.judge(done(9, undo=True), rules))
    where = ("lesson=moodle:1", "moodle:ann")
    assert ("undone:r", *where) in act.rows
    assert set(undo.rows) == {("again:r", *where)}
    assert set(undo.objects) == {("object:r", *where)}
    assert not undo.holds


def test_the_undoing_events_are_asked_of_the_sources() -> None:
    demand = rulebook(POSTS).demand
    assert {r"\mod_forum\event\post_deleted", r"\mod_hsuforum\event\discussion_deleted"} <= demand.names
    assert {"discussion", "post"} <= demand.facts


def test_a_rule_says_in_a_sentence_what_takes_it_back() -> None:
    rules = rulebook(POSTS)
    assert "Taken back on forum.post_deleted or forum.discussion_deleted." in explain.rule_sentences(
        rules.rules[0], rules
    )


@pytest.mark.parametrize(
    ("undo", "told"),
    [("quiz.submitted", "'quiz.submitted' stands in `on` too"), ("quiz.deleted", "unknown kind 'quiz.deleted'")],
)
def test_a_kind_that_cannot_undo_is_a_fault(undo: str, told: str) -> None:
    with pytest.raises(FaultsError) as raised:
        rulebook(rule("quiz.submitted", f'reverse_on = "{undo}"'))
    assert [fault.message for fault in raised.value.faults] == [told]


def test_an_undo_gives_back_its_own_place_in_a_rolling_window() -> None:
    limited = rule("lesson.completed", 'reverse_on = "lesson.uncompleted"\nlimit = "2/2d"')
    acts = (done(9), done(10, lesson="2"), done(11, lesson="2", undo=True), done(12, lesson="3"), done(13, lesson="4"))
    assert play(limited, *acts)[3:] == ["ann +10 points", "ann refused limit 2/2d"]


def test_shadow_tells_what_it_would_have_taken_back() -> None:
    *_, back = decide(rulebook(QUIZ), [attempt(9), deleted(10)], shadow=True)
    assert explain.decision_sentence(back) == "r would have taken back 10 points from moodle:ann (shadow)."


def test_a_trial_nets_what_is_taken_back_and_closes_the_right_hold_pages_later() -> None:
    trial = Trial(rulebook(QUIZ))
    waiting = replace(attempt(9, "7", who="ben"), trust=Trust.unverified)
    trial.take([attempt(8, "8", who="cat"), waiting])
    trial.take([replace(attempt(9, "9", who="dan"), trust=Trust.unverified)])
    trial.take([deleted(10, "7"), deleted(10, "8")])
    assert trial.findings.awards == {("r", "points"): [1, 0]}
    assert list(trial.findings.waiting) == [3]
