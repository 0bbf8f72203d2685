"""Experiments as a specification: who is in the comparison group, what they do not get, and what is told of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile.across.experiments import forgetful, over
from agent.config.settings import load_settings
from agent.engine.experiment.groups import WHOLE, paid_after, place
from agent.engine.explain import nearest_miss, rule_sentences
from agent.engine.stories import run_cases
from agent.model import Event, Trust
from tests.pipelines import running
from tests.rule_stories import at, decide, event, file, line, play, rule, rulebook

REASON = "held-out: in the comparison group of nudge until 2026-09-20"


def experiment(more: str = "", *, rules: str = '"r"', share: str = "50%", name: str = "nudge") -> str:
    """Two weeks of September in which half of the learners are kept out of rule r."""
    days = "from = 2026-09-07\nuntil = 2026-09-20"
    return f'[experiment.{name}]\nrules = [{rules}]\nheld_out = "{share}"\n{days}\n{more}\n'


def learners(count: int, *, held: bool, share: Fraction = Fraction(1, 2)) -> list[str]:
    """The first user ids in the comparison group of `nudge`, or outside of it."""
    found = (
        str(number) for number in range(1, 10_000) if (place("", "nudge", f"moodle:{number}") < share * WHOLE) is held
    )
    return [next(found) for _ in range(count)]


(OUT, OTHER_OUT), (IN,) = learners(2, held=True), learners(1, held=False)


def lesson(who: str, when: str = "2026-09-07T09:00:00", number: str = "1") -> Event:
    return event(when=when, who=who, lesson=number)


def test_who_is_held_out_gets_nothing_by_the_rule_and_is_told_until_when() -> None:
    assert play(experiment() + rule(), lesson(OUT), lesson(IN)) == [f"{OUT} refused {REASON}", f"{IN} +10 points"]


def test_both_days_count_whole_and_before_and_after_everybody_earns() -> None:
    times = ("2026-09-06T23:59:59", "2026-09-07T00:00:00", "2026-09-20T23:59:59", "2026-09-21T00:00:00")
    told = play(experiment() + rule(), *(lesson(OUT, when, str(number)) for number, when in enumerate(times)))
    assert [one.split()[1] for one in told] == ["+10", "refused", "refused", "+10"]


def test_where_somebody_stands_is_what_sha256sum_says() -> None:
    digits = hashlib.sha256(b"lottery 4 8 15:nudge:moodle:35").hexdigest()[:16]
    assert place("lottery 4 8 15", "nudge", "moodle:35") == int(digits, 16)


def test_a_share_of_nothing_holds_nobody_out_and_the_whole_holds_everybody_out() -> None:
    for share, paid in (("0%", True), ("100%", False)):
        told = play(experiment(share=share) + rule(), *(lesson(str(number)) for number in range(1, 40)))
        assert {"+10" in one for one in told} == {paid}


def test_an_experiment_may_be_as_long_as_the_calendar() -> None:
    rules = experiment().replace("2026-09-07", "0001-01-01").replace("2026-09-20", "9999-12-31") + rule()
    assert play(rules, lesson(OUT))[0].startswith(f"{OUT} refused held-out: ")


def test_what_would_not_have_been_paid_anyway_is_told_as_such() -> None:
    rules = experiment() + rule("quiz.submitted", "conditions = { score_pct = '>=80' }")
    weak = event("quiz.submitted", who=OUT, facts={"score_pct": 10})
    staff = event("quiz.submitted", who=OUT, facts={"score_pct": 90}, mark="staff")
    good = event("quiz.submitted", who=OUT, facts={"score_pct": 90}, level=Trust.client_reported)
    told = play(rules, weak, staff, good)
    assert told == [
        f"{OUT} refused condition score_pct >=80",
        f"{OUT} refused never earns: staff",
        f"{OUT} refused {REASON}",
    ]


def test_limits_and_caps_keep_their_room_for_who_is_held_out() -> None:
    capped = (
        rule(more='group = "g"')
        + rule(name="s", more='group = "g"')
        + '[[cap]]\ngroup = "g"\nlimit = "10 points/ever"\n'
    )
    assert play(experiment() + capped, lesson(OUT)) == [f"{OUT} refused {REASON}", f"{OUT} +10 points"]
    assert play(experiment() + capped, lesson(IN)) == [f"{IN} +10 points", f"{IN} refused cap 10 points/ever"]


def test_a_challenge_and_a_streak_do_not_begin_for_who_is_held_out() -> None:
    rules = """
[[challenge]]
id = "two"
award = 50
[[challenge.step]]
on = "lesson.completed"
count = 2
""" + rule(name="daily", more="streak = { days = 2 }", award="5")
    acts = [(f"2026-09-0{day}T09:00:00", str(day)) for day in (8, 9)]
    held = play(experiment(rules='"two", "daily"') + rules, *(lesson(OUT, *one) for one in acts))
    assert held == [f"{OUT} refused {REASON}"] * 4
    free = play(experiment(rules='"two", "daily"') + rules, *(lesson(IN, *one) for one in acts))
    assert [one for one in free if "+" in one] == [f"{IN} +5 points", f"{IN} +50 points"]


def test_two_experiments_one_after_the_other_draw_their_own_groups() -> None:
    later = experiment(name="later").replace("09-07", "09-21").replace("09-20", "10-04")
    rules = rulebook(experiment() + later + rule())
    first, second = (
        {one for one in map(str, range(400)) if each.holds_out(f"moodle:{one}")} for each in rules.experiments
    )
    assert first - second
    assert second - first
    who = min(first - second)
    told = [line(one) for one in decide(rules, [lesson(who), lesson(who, "2026-09-21T09:00:00", "2")])]
    assert told == [f"{who} refused {REASON}", f"{who} +10 points"]


def test_each_recipient_stands_in_a_group_of_their_own() -> None:
    award = '[{ to = "subject", points = 10 }, { to = "author", points = 5 }]'
    rules = experiment() + rule("forum.rated", award=award)
    rated = event("forum.rated", people={"subject": IN, "author": OUT}, lesson=None, post="3")
    assert play(rules, rated) == [f"{IN} +10 points", f"{OUT} refused {REASON}"]


def test_shadow_tells_it_alike() -> None:
    assert play(experiment() + rule(), lesson(OUT), lesson(IN), shadow=True) == [
        f"{OUT} refused {REASON}",
        f"{IN} would get +10 points",
    ]


async def test_linked_and_merged_accounts_are_in_the_group_of_the_account_whose_wallet_it_is(tmp_path: Path) -> None:
    rules = experiment() + rule()
    mine = event(who="77", lesson="5")
    async with running(tmp_path, rules) as run:
        for into in (OUT, IN):
            accounts = {"77": f"moodle:{into}"}
            await run.take(replace(mine.seen, accounts=accounts, lesson=into, natural_key=("k", into)))
        assert run.balances() == {IN: 10}
        assert run.reasons() == [REASON]


def test_examples_and_stories_of_the_rules_are_about_what_they_give() -> None:
    rules = (
        experiment(share="100%")
        + rule()
        + """
  [[rule.example]]
  event = { kind = "lesson.completed" }
  expect = { points = 10 }
[[case]]
name = "a lesson pays"
events = [{ at = 2026-09-08T09:00:00, learner = "ann", kind = "lesson.completed", lesson = "1" }]
expect = [{ learner = "ann", rule = "r", points = 10 }]
"""
    )
    assert [one.failures for one in run_cases(file(rules), rulebook(rules))] == [()]


def test_only_what_is_over_and_says_so_is_paid_afterwards() -> None:
    end = at("2026-09-21T00:00:00")
    found = rulebook(experiment("pay_after = true") + rule()).experiments
    assert (paid_after(found, end - 1), paid_after(found, end)) == (frozenset(), frozenset({"nudge"}))
    assert paid_after(rulebook(experiment() + rule()).experiments, end) == frozenset()


def test_a_rule_says_who_gets_nothing_by_it_and_the_nearest_miss_is_the_one_that_was_held_out() -> None:
    rules = rulebook(experiment() + rule(more="conditions = { completion_state = 1 }"))
    assert (
        "From 2026-09-07 until 2026-09-20 50 % of the learners get nothing by it (the comparison group of nudge)."
    ) in rule_sentences(rules.rules[0], rules)
    poor = event(who=OUT, facts={"completion_state": 2})
    good = event(who=OUT, lesson="2", facts={"completion_state": 1})
    best = nearest_miss(decide(rules, [poor, good]))
    assert best is not None
    assert best.reason == REASON


def test_what_the_groups_are_compared_by_is_asked_of_the_sources() -> None:
    plain, mean = (
        rulebook(experiment() + rule()),
        rulebook(experiment('measure = "score_pct in quiz.submitted"') + rule()),
    )
    assert r"\mod_quiz\event\attempt_submitted" in mean.demand.names - plain.demand.names
    assert "score_pct" in mean.demand.facts - plain.demand.facts


FAULTS = {
    '"nobody"': "there is no rule or challenge 'nobody'",
    '"r", "r"': "a rule stands in it twice",
    '"weekly"': "weekly is a scheduled reward",
}


@pytest.mark.parametrize(("named", "said"), FAULTS.items())
def test_rules_that_cannot_be_held_out_are_told(named: str, said: str) -> None:
    weekly = '[[scheduled]]\nid = "weekly"\nevery = "week"\nrank = { by = "points earned" }\nplaces = [5]\n'
    with pytest.raises(FaultsError) as told:
        file(experiment(rules=named) + rule() + weekly)
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ('held_out = "50%"', "held_out = 50", "50 is no share of the learners"),
        ('held_out = "50%"', 'held_out = "101%"', "'101%' is no share of the learners"),
        ("until = 2026-09-20", "until = 2026-09-06", "ends before it begins"),
        (
            "until = 2026-09-20",
            'until = 2026-09-20\nmeasure = "often"',
            "'often' is nothing that groups are compared by",
        ),
        ("until = 2026-09-20", 'until = 2026-09-20\nmeasure = "lesson.complete"', "unknown kind 'lesson.complete'"),
    ],
)
def test_a_faulty_experiment_is_told_with_what_was_meant(line: str, instead: str, said: str) -> None:
    with pytest.raises(FaultsError) as told:
        file(experiment().replace(line, instead) + rule())
    assert said in str(told.value).replace('"', "'")


def test_two_experiments_on_one_rule_at_the_same_time_are_a_fault() -> None:
    with pytest.raises(FaultsError, match=r"r is in \[experiment.nudge\]"):
        file(experiment() + experiment(name="other") + rule())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (experiment(share="0%") + rule(), "nobody is held out"),
        (experiment(share="100%") + rule(), "everybody is held out"),
        (experiment().replace("09-20", "09-09") + rule(), "less than a week shows little"),
        (experiment() + rule(more='mode = "shadow"'), "r is in mode shadow"),
        (experiment('measure = "speed in quiz.submitted"') + rule(), "no source supplies a fact 'speed' here"),
        (experiment('measure = "course_shortname in quiz.submitted"') + rule(), "course_shortname is no number"),
    ],
)
def test_an_experiment_that_can_show_nothing_is_warned_of(text: str, said: str) -> None:
    assert [one.message for one in file(text).warnings if said in one.message] != []


def test_an_experiment_that_is_over_is_told_on_the_day_after() -> None:
    text = experiment() + rule()
    assert [[one.message for one in over(file(text), date(2026, 9, day))] for day in (20, 21)] == [
        [],
        ["experiment nudge ended on 2026-09-20"],
    ]


def test_an_experiment_whose_acts_are_forgotten_before_it_is_over_is_told(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    (tmp_path / "rules.toml").write_text("")
    source = '[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "sqlite:///x"\n'
    config.write_text(f'[agent]\ncampus = "c"\ndata_dir = "d"\n{source}[privacy]\ndecisions_keep = "13d"\n')
    settings = load_settings(config)
    (told,) = forgetful(file(experiment() + rule()), settings)
    assert told.message == "it takes 14 days, and acts that earned nothing are forgotten after 13"
    assert list(forgetful(file(experiment().replace("09-20", "09-19") + rule()), settings)) == []


def test_an_experiment_in_order_warns_of_nothing() -> None:
    assert file(experiment('measure = "score_pct in quiz.submitted"\nseed = "x"\ntitle = "Y"') + rule()).warnings == ()


def test_who_is_held_out_can_be_enrolled_and_withdrawn_meanwhile() -> None:
    one = """
[[challenge]]
id = "r"
award = 50
enrol = "by hand"
[[challenge.step]]
on = "lesson.completed"
"""

    def said(what: str, when: str) -> Event:
        return event(f"challenge.{what}", when, OUT, lms_event=f"\\challenge\\r\\{what}", lesson=None)

    enrolled = said("enrolled", "2026-09-08T08:00:00")
    during, after = lesson(OUT, "2026-09-09T09:00:00"), lesson(OUT, "2026-09-22T09:00:00", "2")
    assert play(experiment() + one, enrolled, during, after)[1:] == [f"{OUT} refused {REASON}", f"{OUT} +50 points"]
    withdrawn = said("withdrawn", "2026-09-10T08:00:00")
    assert play(experiment() + one, enrolled, withdrawn, after)[2:] == [f"{OUT} refused withdrawn"]
