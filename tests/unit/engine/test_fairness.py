"""Named checks: what is too much, too often, copied, empty, mutual; refused, held or noted, with the reason."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from agent.config.document import FaultsError
from agent.engine import booking, evaluate
from agent.engine.explain import rule_sentences
from agent.engine.fairness import texts
from agent.engine.review import approval
from agent.engine.stories import run_cases
from agent.engine.whatif.trial import Trial
from agent.model import Event, Fact, HoldKind, Outcome
from tests.rule_stories import at, decide, event, file, line, play, rule, rulebook

START = at("2026-09-07T09:00:00")
KEY = b"a key"
LONG = "The cell wall is made of cellulose and keeps the plant upright even where it loses most of its water in summer"
NEARLY = LONG.replace("in summer", "in winter")
OTHER = "Photosynthesis turns carbon dioxide and light into sugar and gives back the oxygen that all animals breathe"


def check(what: str, more: str = "", *, name: str = "c") -> str:
    return f'[[check]]\nid = "{name}"\n{what}\n{more}\n'


def act(number: int, seconds: int, lesson: str = "", who: str = "ann", **more: object) -> Event:
    return event(when=START + seconds, who=who, lesson=lesson or str(number), position=number, **more)  # type: ignore[arg-type]


def post(number: int, seconds: int, text: str, who: str = "ann", course: str = "1") -> Event:
    facts: Mapping[str, Fact] = texts.facts(text, KEY)
    return event("forum.posted", START + seconds, who, post=str(number), course=course, facts=facts, position=number)


def rated(number: int, seconds: int, rater: str, author: str) -> Event:
    people = {"subject": author, "author": author, "actor": rater}
    return event("forum.rated", START + seconds, author, post=str(number), people=people, position=number)


def outcomes(text: str, *events: Event) -> list[str]:
    return [line(decision).removeprefix("ann ") for decision in decide(rulebook(text), events)]


POSTS = rule("forum.posted", name="post", award="5")


def test_more_acts_than_the_velocity_are_refused_until_it_is_quiet() -> None:
    text = check('velocity = "3/10m"') + rule()
    found = outcomes(text, *(act(n, n * 60) for n in range(1, 6)), act(9, 900), act(10, 5000))
    assert found == [*["+10 points"] * 3, *["refused velocity 3/10m"] * 2, "+10 points", "+10 points"]


def test_velocity_counts_each_learner_alone_and_looks_both_ways() -> None:
    text = check('velocity = "1/10m"') + rule()
    assert outcomes(text, act(1, 0), act(2, 60, who="ben")) == ["+10 points", "ben +10 points"]
    assert outcomes(text, act(2, 300), act(1, 0)) == ["+10 points", "refused velocity 1/10m"]
    assert outcomes(text, act(2, 600), act(1, 0)) == ["+10 points", "+10 points"]


def test_velocity_by_actor_counts_whoever_acted() -> None:
    text = check('velocity = "2/10m"\nby = "actor"') + rule("forum.rated", award="1")
    found = outcomes(text, *(rated(n, n, "eve", f"u{n}") for n in range(1, 4)))
    assert found == ["u1 +1 points", "u2 +1 points", "u3 refused velocity 2/10m"]


def test_what_was_refused_otherwise_was_done_all_the_same() -> None:
    text = check('velocity = "2/10m"') + rule(more='conditions = { score = ">=5" }')
    found = outcomes(text, act(1, 0), act(2, 1), act(3, 2, facts={"score": 9}))
    assert found[-1] == "refused velocity 2/10m"


def test_what_never_earns_is_not_counted() -> None:
    text = check('velocity = "1/10m"') + rule()
    assert outcomes(text, act(1, 0, mark="staff"), act(2, 1))[-1] == "+10 points"


def test_the_same_act_again_within_the_time_is_refused() -> None:
    text = check('identical = { within = "1m" }') + rule(more='once_per = "event"')
    found = outcomes(text, act(1, 0, "7"), act(2, 59, "7"), act(3, 59, "8"), act(4, 119, "7"))
    assert found == ["+10 points", "refused identical within 1m", "+10 points", "+10 points"]


def test_what_makes_acts_the_same_can_be_said() -> None:
    text = check('identical = { within = "1m" }\nabout = "course"') + rule(more='once_per = "event"')
    assert outcomes(text, act(1, 0, "7"), act(2, 9, "8"))[-1] == "refused identical within 1m"
    things = check('identical = { within = "1m" }') + rule("submission.received")
    files = [act(n, n, kind="submission.received", obj=("form", obj)) for n, obj in ((1, "a"), (2, "a"), (3, "b"))]
    assert outcomes(things, *files) == ["+10 points", "refused identical within 1m", "+10 points"]


def test_done_undone_done_too_often_is_refused() -> None:
    text = check('toggling = "2/1d"') + rule(more='reverse_on = "lesson.uncompleted"')
    events = []
    for n in range(1, 4):
        events += [act(2 * n, n * 100, "7"), act(2 * n + 1, n * 100 + 50, "7", kind="lesson.uncompleted")]
    found = [line for line in outcomes(text, *events) if "undone" not in line]
    assert found == ["+10 points", "+10 points", "refused toggling 2/1d", "refused nothing to undo"]


def test_an_empty_submission_is_refused_by_what_is_known_of_it() -> None:
    text = check("empty = true") + rule("assignment.submitted")
    send = [
        act(n, n, kind="assignment.submitted", facts=facts)
        for n, facts in enumerate(
            ({"files": 0}, {"files": 0, "essay_words": 0}, {"files": 1, "essay_words": 0}, {"essay_words": 3}, {}), 1
        )
    ]
    assert outcomes(text, *send) == ["refused empty", "refused empty", *["+10 points"] * 3]


def test_an_unknown_fact_passes_unless_the_check_says_hold() -> None:
    text = check('empty = { words = 3 }\nif_unknown = "hold"') + POSTS
    (made,) = decide(rulebook(text), [act(1, 0, kind="forum.posted", post="1")])
    assert (made.outcome, made.hold, made.reason) == (Outcome.held, HoldKind.review, "empty unknown")


def test_a_copied_text_is_refused_and_only_its_sketch_was_seen() -> None:
    text = check("duplicate_text = {}") + POSTS
    found = outcomes(text, post(1, 0, LONG), post(2, 60, f"<p>{LONG.upper()}!</p>", "ben"), post(3, 70, OTHER, "ben"))
    assert found == ["+5 points", "ben refused duplicate text within 30d", "ben +5 points"]


def test_a_text_that_is_nearly_the_same_is_found_and_the_likeness_told() -> None:
    text = check('duplicate_text = { alike = 70 }\nthen = "flag"') + POSTS
    _, made = decide(rulebook(text), [post(1, 0, LONG), post(2, 60, NEARLY)])
    assert made.outcome is Outcome.awarded
    (told,) = made.checks
    assert (told.status, told.seen.endswith("% like row 1")) == ("failed", True)


def test_a_copy_counts_in_its_place_of_its_writer_and_in_its_time_only() -> None:
    assert outcomes(check("duplicate_text = {}") + POSTS, post(1, 0, LONG), post(2, 9, LONG, course="2"))[-1][0] == "+"
    own = check('duplicate_text = { of = "own" }') + POSTS
    assert outcomes(own, post(1, 0, LONG), post(2, 9, LONG, "ben"))[-1] == "ben +5 points"
    assert outcomes(own, post(1, 0, LONG), post(2, 9, LONG))[-1].startswith("refused duplicate text")
    brief = check('duplicate_text = { within = "1h", in = "site", alike = 100 }') + POSTS
    assert outcomes(brief, post(1, 0, LONG), post(2, 3600, LONG, course="2"))[-1] == "+5 points"
    assert outcomes(brief, post(1, 0, LONG), post(2, 3599, LONG, course="2"))[-1].startswith("refused duplicate")


def test_short_texts_are_too_short_to_be_copies() -> None:
    assert (
        outcomes(check("duplicate_text = {}") + POSTS, post(1, 0, "Thank you!"), post(2, 9, "thank you"))[-1][0] == "+"
    )


def test_two_who_rate_each_other_are_refused() -> None:
    text = check('reciprocal = { within = "7d", times = 2 }') + rule(
        "forum.rated", award="1", more='once_per = "event"'
    )
    pairs = [("ann", "ben"), ("ben", "ann"), ("ann", "ben"), ("ben", "ann"), ("eve", "ann"), ("ann", "ann")]
    found = outcomes(text, *(rated(n, n * 60, *pair) for n, pair in enumerate(pairs, 1)))
    assert found[3:] == ["refused reciprocal within 7d", "+1 points", "+1 points"]


def test_friends_who_thank_each_other_by_turns_are_held() -> None:
    text = check('on = "kudos.given"\nreciprocal = { within = "30d", times = 2 }\nthen = "hold"') + rule("kudos.given")
    pairs = [("ann", "ben"), ("ben", "ann"), ("ann", "ben"), ("ben", "ann"), ("eve", "ann")]
    given = [
        event("kudos.given", START + n, got, obj=("object", str(n)), people={"subject": got, "actor": gave}, position=n)
        for n, (gave, got) in enumerate(pairs, 1)
    ]
    found = outcomes(text, *given)
    assert [one.split()[0] for one in found[3:]] == ["held", "+10"], found


def test_two_who_always_answer_each_other_are_seen() -> None:
    text = check('reciprocal = { within = "1d" }') + POSTS
    first = event("forum.posted", START, "ann", post="1", facts={"reply_to": "ben"}, position=1)
    second = event("forum.posted", START + 9, "ben", post="2", facts={"reply_to": "ann"}, position=2)
    begun = event("forum.posted", START + 10, "ann", post="3", position=3)
    assert outcomes(text, first, second, begun) == ["+5 points", "ben refused reciprocal within 1d", "+5 points"]


def test_rating_ones_own_post_is_refused() -> None:
    text = check("self_rating = true") + rule("forum.rated", award="1") + POSTS
    found = outcomes(text, rated(1, 0, "ann", "ann"), rated(2, 1, "ben", "ann"), post(3, 4, LONG))
    assert found == ["refused self-rating", "+1 points", "+5 points"]


def test_a_flag_never_refuses_and_is_kept_beside_the_decision() -> None:
    text = check('velocity = "1/10m"\nthen = "flag"\nweight = 3') + rule()
    _, made = decide(rulebook(text), [act(1, 0), act(2, 1)])
    assert made.outcome is Outcome.awarded
    assert [(note.meter, note.amount) for note in made.notes if note.meter.startswith("flag:")] == [("flag:c", 3)]
    assert ("check c: velocity 1/10m", "failed", "2 within 10m") in [(c.text, c.status, c.seen) for c in made.checks]


def test_flags_add_up_to_a_suspicion_that_holds_for_review() -> None:
    text = (
        check('velocity = "1/10m"\nthen = "flag"', name="fast")
        + check('identical = { within = "10m" }\nthen = "flag"\nweight = 2', name="same")
        + check('suspicion = "4/7d"\nthen = "hold"', name="suspicious")
        + rule(more='once_per = "event"')
        + rule(name="second")
    )
    made = decide(rulebook(text), [act(n, n, "7") for n in range(1, 5)])
    told = [(one.outcome.name, one.reason) for one in made if one.rule_id == "r"]
    assert told == [("awarded", ""), ("awarded", ""), *[("held", "suspicion 4/7d")] * 2]
    assert made[4].hold is HoldKind.review
    score = next(one for one in made[4].checks if one.text.startswith("check suspicious"))
    assert score.seen == "6"


def test_a_held_decision_promises_what_an_approval_pays() -> None:
    rules = rulebook(check('velocity = "1/10m"\nthen = "hold"\nreason = "too fast"') + rule())
    _, held = decide(rules, [act(1, 0), act(2, 1)])
    assert (held.outcome, held.reason) == (Outcome.held, "velocity 1/10m: too fast")
    paid = approval.approve(held, rules, rules, booking.State.load((), {}))
    assert [posting.amount for posting in paid.postings] == [10]


def test_a_check_that_refuses_outweighs_what_a_decision_waits_for() -> None:
    text = check('velocity = "1/10m"') + rule(more='conditions = { x = { is = 1, if_unknown = "hold" } }')
    assert outcomes(text, act(1, 0), act(2, 1)) == ["held fact x unknown", "refused velocity 1/10m"]


def test_a_check_stands_before_the_rules_it_names_only() -> None:
    text = check('velocity = "1/10m"\nrules = "r"') + rule() + rule(name="s")
    assert outcomes(text, act(1, 0), act(2, 1))[2:] == ["refused velocity 1/10m", "+10 points"]
    grouped = check('velocity = "1/10m"\ngroup = "g"') + rule() + rule(name="s", more='group = "g"')
    assert outcomes(grouped, act(1, 0), act(2, 1))[2:] == ["+10 points", "refused velocity 1/10m"]
    elsewhere = check('velocity = "1/10m"\non = "forum.*"') + rule()
    assert outcomes(elsewhere, act(1, 0), act(2, 1)) == ["+10 points"] * 2


def test_shadow_counts_the_same_acts_and_keeps_nobody_waiting() -> None:
    text = check('velocity = "1/10m"\nthen = "hold"') + rule()
    assert play(text, act(1, 0), act(2, 1), shadow=True)[1] == "ann refused would be held: velocity 1/10m"


def test_a_learner_who_floods_fills_a_bucket_no_further_than_counts() -> None:
    rules = rulebook(check('velocity = "2/10m"') + rule())
    made = decide(rules, [act(n, 0) for n in range(1, 200)])
    assert sum(len(one.notes) for one in made) == 4 * 2 + 64
    assert [one.outcome for one in made].count(Outcome.awarded) == 2


def test_what_a_check_needs_to_know_is_asked_of_the_sources() -> None:
    rules = rulebook(check("duplicate_text = {}") + POSTS + rule())
    assert {"text_sketch", "text_digest"} <= rules.needs["post"].facts
    assert "text_sketch" not in rules.needs["r"].facts
    assert "text_sketch" not in rulebook(POSTS).demand.facts


def test_a_rule_is_explained_with_the_checks_before_it() -> None:
    rules = rulebook(check('velocity = "9/1h"') + check('empty = true\nthen = "flag"', name="e") + rule() + POSTS)
    assert "Refused at velocity 9/1h (check c)." in rule_sentences(rules.rules[0], rules)
    assert [said for said in rule_sentences(rules.rules[1], rules) if "check e" in said] == [
        "Noted at empty (check e)."
    ]
    assert not [said for said in rule_sentences(rules.rules[0], rules) if "check e" in said]


def test_stories_tell_texts_and_simulations_count_refusals() -> None:
    events = ",\n".join(
        f'{{ at = 2026-09-07T09:0{n}:00, learner = "{who}", kind = "forum.posted", text = "{LONG}" }}'
        for n, who in enumerate(("ann", "ben"))
    )
    told = 'refused = [{ event = 2, rule = "post", because = "duplicate text" }]'
    text = check("duplicate_text = {}") + POSTS + f'[[case]]\nname = "a copy"\nevents = [{events}]\n{told}\n'
    (result,) = run_cases(file(text), rulebook(text))
    assert result.failures == ()
    trial = Trial(rulebook(text))
    trial.take([post(1, 0, LONG), post(2, 9, LONG)])
    assert trial.findings.refused == {("post", "duplicate text within 30d"): 1}


def test_the_state_of_a_check_is_asked_for_and_kept_over_pages() -> None:
    rules = rulebook(check('velocity = "1/10m"') + rule())
    first = booking.book(evaluate.judge(act(1, 0), rules), booking.State.load((), {}), shadow=False)
    verdicts = evaluate.judge(act(2, 60), rules)
    kept = [note for made in first for note in made.notes]
    assert {(use.meter, use.bucket, use.learner) for use in kept} <= booking.wants(verdicts).rows
    (made,) = booking.book(verdicts, booking.State.load(kept, {}), shadow=False)
    assert made.reason == "velocity 1/10m"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "looks for nothing"),
        ('velocity = "3/1d"\nempty = true', "looks for velocity and empty"),
        ('velocity = "3/day"', "is not a rate"),
        ('velocity = "0/1m"', "no number of acts"),
        ('velocity = "3/1d"\nabout = "lesson"', "`about` belongs to"),
        ('suspicion = "3/1d"\nthen = "flag"', "a flag about flags"),
        ('velocity = "3/1d"\nrules = "rr"', "there is no rule 'rr'"),
        ('velocity = "3/1d"\ngroup = "g"', "no rule is in group 'g'"),
        ('velocity = "3/1d"\non = "lesson.complete"', "unknown kind"),
        ('velocity = "3/1d"\n[[check]]\nid = "c"\nempty = true', "stands in"),
        ("empty = {}", "names nothing that could be empty"),
        ("duplicate_text = { alike = 20 }", "60"),
    ],
)
def test_a_check_that_makes_no_sense_is_told_with_its_place(written: str, told: str) -> None:
    with pytest.raises(FaultsError) as caught:
        file(check(written) + rule())
    assert told in str(caught.value)
    assert "rules.toml:" in str(caught.value)


def test_like_texts_have_like_sketches_and_another_key_gives_others() -> None:
    one, two, three = (texts.sketch(texts.words_of(text), KEY) for text in (LONG, NEARLY, OTHER))
    assert texts.alike(one.bits, one.bits) == 100
    assert texts.alike(one.bits, two.bits) >= 70
    assert texts.alike(one.bits, three.bits) <= 40
    assert texts.read(one.written()) == one
    assert texts.sketch(texts.words_of(LONG), b"another") != one
    assert texts.digest(["a"], KEY) != texts.digest(["a"], b"another")
    assert [texts.read(text) for text in ("", "x.1.2.3.4.5", "5.1.2.3.4.zz")] == [None] * 3
