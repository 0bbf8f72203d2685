"""Never-earns, mode, active, audience, deny, conditions, trust, scope: the first that fails is the reason."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.engine import evaluate
from agent.model import Event, EventMark, Fact, HoldKind, PersonMark, Trust
from tests.rule_stories import decide, event, line, play, rule, rulebook


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("restored", "never earns: restored from a backup"),
        ("cleared", "never earns: went with its activity or its learner's enrolment"),
        ("overtaken", "never earns: told otherwise within the same second"),
        ("logged_in_as", "never earns: log-in-as"),
        ("preview", "never earns: quiz preview"),
    ],
)
def test_a_row_of_a_kind_that_never_earns_is_refused_whatever_the_rules_say(mark: EventMark, reason: str) -> None:
    assert play(f"[defaults]\nstaff_earn = true\n{rule()}", event(marks=[mark])) == [f"ann refused {reason}"]


@pytest.mark.parametrize(
    ("mark", "reason"),
    [
        ("guest", "never earns: guest"),
        ("nobody", "never earns: nobody"),
        ("system", "never earns: system"),
        ("site_admin", "never earns: site admin"),
        ("staff", "never earns: staff"),
    ],
)
def test_a_person_who_never_earns_is_refused_with_the_reason(mark: PersonMark, reason: str) -> None:
    assert play(rule(), event(mark=mark)) == [f"ann refused {reason}"]


def test_what_somebody_did_before_leaving_is_paid() -> None:
    assert play(rule(), event(mark="deleted")) == ["ann +10 points"]


@pytest.mark.parametrize("mark", ["site_admin", "staff", "roles_unknown"])
def test_staff_earn_lets_staff_and_administrators_earn(mark: PersonMark) -> None:
    assert play(f"[defaults]\nstaff_earn = true\n{rule()}", event(mark=mark)) == ["ann +10 points"]


def test_staff_earn_lets_no_guest_earn() -> None:
    assert play(f"[defaults]\nstaff_earn = true\n{rule()}", event(mark="guest")) == ["ann refused never earns: guest"]


def test_marks_of_another_person_of_the_event_do_not_matter() -> None:
    graded_by_staff = event(mark="staff", who="tom", people={"subject": "ann", "actor": "tom"})
    assert play(rule(), graded_by_staff) == ["ann +10 points"]


def test_a_backdated_row_without_the_fact_of_a_condition_is_refused_since_nobody_who_looks_brings_the_fact() -> None:
    rules = rulebook(rule(more='conditions = { score_pct = ">=80" }'))
    known = event(marks=["backdated"], lesson="2", facts={"score_pct": 80})
    refused, held = decide(rules, [event(marks=["backdated"]), known])
    assert (refused.hold, refused.reason) == (None, "condition score_pct >=80 (score_pct unknown)")
    assert (held.hold, held.reason) == (HoldKind.backdated, "backdated")


def test_unknown_roles_and_backdated_rows_are_held_and_the_first_reason_is_told() -> None:
    rules = rulebook(rule())
    backdated, unknown, both = decide(
        rules,
        [event(marks=["backdated"]), event(mark="roles_unknown"), event(marks=["backdated"], mark="roles_unknown")],
    )
    assert (backdated.hold, backdated.reason) == (HoldKind.backdated, "backdated")
    assert (unknown.hold, unknown.reason) == (HoldKind.roles, "roles unknown")
    assert (both.hold, both.reason) == (HoldKind.backdated, "backdated")


def test_what_fails_for_certain_is_refused_rather_than_held() -> None:
    rules = rule("quiz.submitted", 'conditions = { score_pct = ">=80" }')
    low = event("quiz.submitted", mark="roles_unknown", facts={"score_pct": 10})
    assert play(rules, low) == ["ann refused condition score_pct >=80"]


@pytest.mark.parametrize("role", ["actor", "author", "purchaser", "referrer"])
def test_a_missing_role_drops_the_award_and_never_falls_back(role: str) -> None:
    rules = rule(more=f'recipient = "{role}"')
    assert play(rules, event(people={"subject": "ann"})) == [f"nobody refused no {role}"]
    assert play(rules, event(people={"subject": "ann", role: "ben"})) == ["ben +10 points"]


def test_mode_off_refuses_and_shadow_only_tells_what_it_would_pay() -> None:
    assert play(rule(more='mode = "off"'), event()) == ["ann refused mode off"]
    assert play(rule(more='mode = "shadow"'), event()) == ["ann would get +10 points"]
    assert play(rule(), event(), shadow=True) == ["ann would get +10 points"]


def test_a_shadow_rule_keeps_nobody_waiting() -> None:
    rules = rule(more='mode = "shadow"')
    reason = "would be held: trust unverified below trusted_source"
    assert play(rules, event(level=Trust.unverified)) == [f"ann refused {reason}"]


ACTIVE = [
    ("{ from = 2026-09-08 }", "2026-09-07T23:59:59", "active: before 2026-09-08"),
    ("{ from = 2026-09-08 }", "2026-09-08T00:00:00", ""),
    ("{ until = 2026-09-08 }", "2026-09-08T23:59:59", ""),
    ("{ until = 2026-09-08 }", "2026-09-09T00:00:00", "active: after 2026-09-08"),
    ('{ days = ["mon", "tuesday"] }', "2026-09-08T12:00:00", ""),
    ('{ days = ["mon", "tue"] }', "2026-09-09T12:00:00", "active: not on wed"),
    ('{ hours = "08:00-18:00" }', "2026-09-08T08:00:00", ""),
    ('{ hours = "08:00-18:00" }', "2026-09-08T17:59:59", ""),
    ('{ hours = "08:00-18:00" }', "2026-09-08T18:00:00", "active: outside 08:00-18:00"),
    ('{ hours = "22:00-02:00" }', "2026-09-08T23:00:00", ""),
    ('{ hours = "22:00-02:00" }', "2026-09-08T01:59:59", ""),
    ('{ hours = "22:00-02:00" }', "2026-09-08T02:00:00", "active: outside 22:00-02:00"),
    ('{ hours = "18:00-24:00" }', "2026-09-08T23:59:59", ""),
    ('{ hours = "08:00-18:00", zone = "America/New_York" }', "2026-09-08T08:00:00", "active: outside 08:00-18:00"),
    ('{ hours = "08:00-18:00", zone = "America/New_York" }', "2026-09-08T14:00:00", ""),
]


@pytest.mark.parametrize(("active", "when", "reason"), ACTIVE)
def test_a_rule_is_active_in_its_days_and_hours_by_the_events_own_time(active: str, when: str, reason: str) -> None:
    told = f"ann refused {reason}" if reason else "ann +10 points"
    assert play(rule(more=f"active = {active}"), event(when=when)) == [told]


BIO: dict[str, Fact] = {"course_shortname": "BIO101", "course_idnumber": "HS-103", "course_id": "7"}
AUDIENCE: list[tuple[str, dict[str, Fact], str]] = [
    ('{ courses = ["BIO101"] }', BIO, ""),
    ('{ courses = ["idnumber:HS-103"] }', BIO, ""),
    ('{ courses = ["id:7"] }', BIO, ""),
    ('{ courses = ["id:1"] }', {}, ""),
    ('{ courses = ["id:2"] }', {}, "audience: courses"),
    ('{ courses = ["CHEM", "id:7"] }', BIO, ""),
    ('{ courses = ["Week 1: intro"] }', {"course_shortname": "Week 1: intro"}, ""),
    ('{ courses = ["CHEM"] }', BIO, "audience: courses"),
    ('{ courses = ["CHEM"] }', {}, "audience: courses"),
    ('{ categories = ["Safety"] }', {"course_categories": ("Safety", "Campus A / Safety")}, ""),
    ('{ categories = ["Campus A / Safety"] }', {"course_categories": ("Safety", "Campus A / Safety")}, ""),
    ('{ categories = ["Fire"] }', {"course_categories": ("Safety",)}, "audience: categories"),
    ('{ categories = ["Fire"] }', {}, "audience: categories"),
    ('{ cohorts = ["pilot"] }', {"cohorts:ann": ("pilot",)}, ""),
    ('{ cohorts = ["pilot"] }', {"cohorts:ben": ("pilot",)}, "audience: cohorts"),
    ('{ except_roles = ["teacher"] }', {"roles:ann": ("student",)}, ""),
    ('{ except_roles = ["teacher"] }', {"roles:ann": ("student", "teacher")}, "audience: except_roles"),
    ('{ courses = ["BIO101"], cohorts = ["pilot"] }', BIO, "audience: cohorts"),
]


@pytest.mark.parametrize(("audience", "facts", "reason"), AUDIENCE)
def test_a_rule_is_for_its_audience_only(audience: str, facts: dict[str, Fact], reason: str) -> None:
    told = f"ann refused {reason}" if reason else "ann +10 points"
    assert play(rule(more=f"audience = {audience}"), event(facts=facts)) == [told]


@pytest.mark.parametrize(
    ("audience", "facts", "marks", "unknown"),
    [
        ('{ courses = ["CHEM"] }', {}, [], True),
        ('{ courses = ["idnumber:X"] }', {}, [], True),
        ('{ courses = ["idnumber:X"] }', {"course_shortname": "BIO101"}, [], False),
        ('{ courses = ["id:2"] }', {}, [], False),
        ('{ courses = ["CHEM"] }', BIO, [], False),
        ('{ categories = ["Fire"] }', {}, [], True),
        ('{ categories = ["Fire"] }', {"course_categories": ()}, [], False),
        ('{ cohorts = ["pilot"] }', {}, [], True),
        ('{ cohorts = ["pilot"] }', {"cohorts:ann": ()}, [], False),
        ('{ courses = ["CHEM"], cohorts = ["pilot"] }', {"cohorts:ann": ()}, [], False),
        ('{ cohorts = ["pilot"], except_roles = ["teacher"] }', {}, [], True),
    ],
)
def test_an_audience_that_is_not_known_says_so_and_one_that_certainly_does_not_fit_does_not(
    audience: str, facts: dict[str, Fact], marks: list[EventMark], unknown: bool
) -> None:
    (said,) = decide(rulebook(rule(more=f"audience = {audience}")), [event(facts=facts, marks=marks)])
    assert said.reason.startswith("audience: ")
    assert [(check.text, check.status) for check in said.checks] == ([(said.reason, "unknown")] if unknown else [])


def test_what_happened_in_no_course_is_in_none_unless_a_post_may_have_left_it_out() -> None:
    for key in ('courses = ["CHEM"]', 'courses = ["id:2"]', 'categories = ["Fire"]'):
        rules = rulebook(rule(more=f"audience = {{ {key} }}"))
        row, post = decide(rules, [event(course=None), event(course=None, marks=["unconfirmed"])])
        assert (row.checks, [check.status for check in post.checks]) == ((), ["unknown"])


def test_roles_that_cannot_be_read_hold_unless_the_rest_of_the_audience_does_not_fit() -> None:
    assert play(rule(more='audience = { except_roles = ["teacher"] }'), event()) == ["ann held roles unknown"]
    both = 'audience = { except_roles = ["teacher"], cohorts = ["pilot"] }'
    assert play(rule(more=both), event()) == ["ann refused audience: cohorts"]


DENY = '[[deny]]\non = "forum.*"\nconditions = { word_count = "<3" }\nreason = "too short to count"\n'


def post(words: int | None, **facts: Fact) -> Event:
    known: dict[str, Fact] = dict(facts) if words is None else {"word_count": words, **facts}
    return event("forum.posted", post="9", facts=known)


def test_denied_behaviour_never_earns_and_says_why() -> None:
    rules = DENY + rule("forum.posted")
    assert play(rules, post(2)) == ["ann refused deny: too short to count"]
    assert play(rules, post(3)) == ["ann +10 points"]
    assert play(rules + rule(name="lessons"), event()) == ["ann +10 points"]


def test_an_unknown_fact_in_deny_holds_and_names_the_fact() -> None:
    (held,) = decide(rulebook(DENY + rule("forum.posted")), [post(None)])
    assert (held.hold, held.reason) == (HoldKind.fact, "fact word_count unknown")
    assert [posting.amount for posting in held.postings] == [10]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("pass", "ann refused deny: short"),
        ("fail", "ann +10 points"),
        ("hold", "ann held fact word_count unknown"),
    ],
)
def test_if_unknown_says_what_an_unknown_fact_comes_to_in_deny(choice: str, told: str) -> None:
    test = f'{{ is = "<3", if_unknown = "{choice}" }}'
    deny = f'[[deny]]\non = "forum.*"\nconditions = {{ word_count = {test} }}\nreason = "short"\n'
    assert play(deny + rule("forum.posted"), post(None)) == [told]


@pytest.mark.parametrize(
    ("conditions", "facts", "told"),
    [
        ('{ word_count = ">=20" }', {}, "ann held fact word_count unknown"),
        ('{ char_count = ">=20" }', {}, "ann held fact word_count unknown"),
        ('{ any = [{ word_count = ">=20" }, { is_reply = true }] }', {}, "ann held fact word_count unknown"),
        ('{ word_count = ">=20", is_reply = true }', {"is_reply": False}, "ann refused condition is_reply true"),
        (
            '{ word_count = { is = ">=20", if_unknown = "fail" } }',
            {},
            "ann refused condition word_count >=20 (word_count unknown)",
        ),
    ],
)
def test_a_condition_that_only_lacks_a_fact_does_not_outweigh_a_denial_that_might_apply(
    conditions: str, facts: dict[str, Fact], told: str
) -> None:
    rules = DENY + rule("forum.posted", f"conditions = {conditions}")
    assert play(rules, post(None, **facts)) == [told]
    assert play(rules, post(2, **facts)) == ["ann refused deny: too short to count"]


def test_a_denial_that_applies_outweighs_one_that_might() -> None:
    always = '[[deny]]\non = "forum.*"\nreason = "not here"\n'
    other = '[[deny]]\non = "forum.*"\nconditions = { char_count = "<9" }\nreason = "short"\n'
    assert play(DENY + other + always + rule("forum.posted"), post(None)) == ["ann refused deny: not here"]
    assert play(DENY + other + rule("forum.posted"), post(None)) == ["ann held fact word_count unknown"]


def test_trust_below_the_rules_least_is_held_and_not_lost() -> None:
    assert play(rule(), event(level=Trust.trusted_source)) == ["ann +10 points"]
    told = "ann held trust client_reported below trusted_source"
    assert play(rule(), event(level=Trust.client_reported)) == [told]
    strict = rule(more='min_trust = "server_verified"')
    assert play(strict, event(level=Trust.trusted_source)) == ["ann held trust trusted_source below server_verified"]
    assert play(rule(more='min_trust = "unverified"'), event(level=Trust.unverified)) == ["ann +10 points"]


SCOPES: list[tuple[str, Event, str]] = [
    ("lesson", event(lesson=None), "no lesson"),
    ("section", event(section=None), "no section"),
    ("course", event(course=None), "no course"),
    ("post", event(), "no post"),
    ("badge", event(), "no badge"),
    ("sem1", event(), "no sem1"),
    ("subject", event(people={"actor": "ann"}), "no subject"),
]


@pytest.mark.parametrize(("scope", "lacking", "reason"), SCOPES)
def test_a_scope_the_event_lacks_refuses(scope: str, lacking: Event, reason: str) -> None:
    period = "[period.sem1]\nfrom = 2026-01-01\nuntil = 2026-02-01\n"
    more = f'once_per = "{scope}"\nrecipient = "actor"'
    assert play(period + rule(more=more), lacking) == [f"ann refused {reason}"]


def test_an_event_that_waits_for_trust_may_lack_its_scope_until_it_is_seen_again() -> None:
    assert play(rule(), event(lesson=None, level=Trust.unverified)) == [
        "ann held trust unverified below trusted_source"
    ]


ORDER: list[tuple[str, Event]] = [
    ("never earns: guest", event("forum.posted", mark="guest", level=Trust.unverified)),
    ("mode off", event("forum.posted", level=Trust.unverified)),
]


@pytest.mark.parametrize(("reason", "one"), ORDER)
def test_the_first_that_fails_is_the_reason(reason: str, one: Event) -> None:
    more = 'mode = "off"\nactive = { until = 2020-01-01 }\naudience = { cohorts = ["x"] }\nconditions = { grade = 1 }'
    assert play(DENY + rule("forum.posted", more), one) == [f"ann refused {reason}"]


def test_each_later_stage_is_the_reason_once_the_earlier_ones_pass() -> None:
    inactive = "active = { until = 2020-01-01 }"
    outside = 'audience = { cohorts = ["x"] }'
    unmet = "conditions = { is_reply = true }"
    short = post(1, is_reply=False)
    rules = "".join(
        [
            DENY,
            rule("forum.posted", f"{inactive}\n{outside}\n{unmet}", name="a"),
            rule("forum.posted", f"{outside}\n{unmet}", name="b"),
            rule("forum.posted", unmet, name="c"),
        ]
    )
    assert play(rules, short) == [
        "ann refused active: after 2020-01-01",
        "ann refused audience: cohorts",
        "ann refused deny: too short to count",
    ]
    assert play(rules, post(9, is_reply=False))[2] == "ann refused condition is_reply true"


def test_rules_are_found_by_kind_wildcard_list_and_lms_name_in_file_order() -> None:
    name = r"\mod_quiz\event\attempt_submitted"
    rules = "".join(
        [
            rule("quiz.submitted", name="kind"),
            rule("quiz.*", name="wild"),
            f'[[rule]]\nid = "list"\non = [\'{name[1:]}\', "course.completed"]\naward = 1\n',
            rule("lesson.completed", name="other"),
        ]
    )
    decided = decide(rulebook(rules), [event("quiz.submitted", lms_event=name)])
    assert [decision.rule_id for decision in decided] == ["kind", "wild", "list"]
    unknown = decide(rulebook(rules), [event(None, lms_event=name, key="2")])
    assert [decision.rule_id for decision in unknown] == ["list"]
    assert decide(rulebook(rules), [event("forum.posted")]) == []


def test_every_condition_is_told_as_passed_failed_or_unknown() -> None:
    more = 'conditions = { score_pct = ">=80", attempt = "<=2", passed = true }'
    facts: dict[str, Fact] = {"score_pct": Fraction(200, 3), "attempt": 1}
    (decision,) = decide(rulebook(rule("quiz.submitted", more)), [event("quiz.submitted", facts=facts)])
    assert [(check.text, check.status, check.seen) for check in decision.checks] == [
        ("score_pct >=80", "failed", "66.66667"),
        ("attempt <=2", "passed", "1"),
        ("passed true", "unknown", ""),
    ]
    assert line(decision) == "ann refused condition score_pct >=80"


def test_a_message_carries_the_facts_and_leaves_what_the_engine_does_not_know() -> None:
    more = 'message = "Well done, {learner.first_name}: {score_pct} % {lesson} {open"'
    (decision,) = decide(
        rulebook(rule("quiz.submitted", more)), [event("quiz.submitted", facts={"score_pct": Fraction(171, 2)})]
    )
    assert decision.message == "Well done, {learner.first_name}: 85.5 % 1 {open"


def test_ten_thousand_names_of_events_are_found_like_the_first() -> None:
    rules = rulebook(rule())
    assert not any(
        evaluate.judge(event("other.kind", key=str(n), lms_event=f"\\x\\event\\e{n}"), rules) for n in range(10_001)
    )
    assert len(evaluate.judge(event(), rules)) == 1
