"""Rules and steps that listen to `challenge.completed`: what cannot be is a fault, what is hardly meant a warning."""

from __future__ import annotations

import pytest

from agent.config.document import FaultsError
from agent.config.rulefile import load_rules_text

HEAD = 'schema = 1\ntimezone = "UTC"\n'
STEP = '[[challenge.step]]\non = "lesson.completed"\n'
HEARS = '[[challenge.step]]\non = "challenge.completed"\n'
A = f'[[challenge]]\nid = "a"\n{STEP}'
RULE = '[[rule]]\nid = "r"\non = "challenge.completed"\naward = 1\n'

FAULTS = {
    "a name that is not there": (
        A + RULE + 'conditions = { challenge = ["a", "onbording"] }\n',
        ["11:28 unknown challenge 'onbording'"],
    ),
    "a step of itself": (
        f'[[challenge]]\nid = "a"\nrepeat = true\n{STEP}{HEARS}',
        ["9:6 the challenges go in a circle"],
    ),
    "steps of each other": (
        (
            f'[[challenge]]\nid = "a"\n{HEARS}conditions = {{ challenge = "b" }}\n'
            f'[[challenge]]\nid = "b"\n{HEARS}conditions = {{ challenge = "a*" }}\n'
        ),
        ["6:6 the challenges go in a circle"],
    ),
    "what comes next, of three in a circle": (
        "".join(
            f'[[challenge]]\nid = "{one}"\nnext = "{then}"\n{STEP}'
            for one, then in (("a", "b"), ("b", "c"), ("c", "a"))
        ),
        ["5:8 the challenges go in a circle"],
    ),
    "what comes next, and back": (
        (
            f'[[challenge]]\nid = "a"\nnext = "b"\n{STEP}{HEARS}conditions = {{ challenge = "b" }}\n'
            f'[[challenge]]\nid = "b"\n{STEP}'
        ),
        ["9:6 the challenges go in a circle"],
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_would_complete_itself_or_is_not_there_is_a_fault(case: str) -> None:
    text, told = FAULTS[case]
    with pytest.raises(FaultsError) as caught:
        load_rules_text(HEAD + text)
    found = [f"{fault.line}:{fault.column} {fault.message}" for fault in caught.value.faults]
    assert found == told


WARNED = {
    RULE: "no [[challenge]] that pays is ever completed here",
    A.replace("id =", 'mode = "shadow"\nid =') + RULE: "no [[challenge]] that pays is ever completed here",
    A + RULE + 'min_trust = "server_verified"\n': "all of it would be held",
}


@pytest.mark.parametrize(("text", "told"), WARNED.items())
def test_listening_in_vain_is_told(text: str, told: str) -> None:
    assert [told in warning.message for warning in load_rules_text(HEAD + text).warnings] == [True]


@pytest.mark.parametrize(
    "more",
    [
        "",
        'conditions = { challenge = "a" }\n',
        'conditions = { challenge = "!=b" }\nmin_trust = "unverified"\n'.replace("!=b", "a*"),
        'conditions = { challenge = ["a"], rounds = ">=2" }\n',
    ],
)
def test_listening_to_what_is_there_is_in_order(more: str) -> None:
    chain = f'[[challenge]]\nid = "b"\n{HEARS}conditions = {{ challenge = "!=b" }}\n'
    assert load_rules_text(HEAD + A + chain + RULE + more).warnings == ()


def test_a_challenge_of_all_challenges_is_told_to_name_the_others() -> None:
    with pytest.raises(FaultsError) as caught:
        load_rules_text(
            HEAD + f'[[challenge]]\nid = "a"\n{STEP}[[challenge]]\nid = "b"\n{STEP}[[challenge]]\nid = "all"\n{HEARS}'
        )
    assert 'name those that count: conditions = { challenge = ["a", "b"] }' in str(caught.value)
