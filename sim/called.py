"""What systems call learners: Moodle by a number, forms by whatever they like; an address is typed in many ways."""

from __future__ import annotations

from collections.abc import Mapping

AT_FORMS: Mapping[int, str] = {
    31: "31",
    32: "Åsa:o'hara",
    33: "學生/33 100%",
    34: '😀 "x" \\u0034',
    35: "Zo\u00eb",
    36: "Zoe\u0308",
}
"""Ids of some at the system that sends forms; the last two look alike and are two people's: an id is its characters."""
_LEARNERS = {name: learner for learner, name in AT_FORMS.items()}


def at_forms(learner: int) -> str:
    """A learner's id at the system that sends forms: a number of its own where nothing else is said."""
    return AT_FORMS.get(learner, str(learner))


def account(site: str, learner: int) -> str:
    """A learner's account at a site."""
    return f"{site}:{at_forms(learner) if site == 'forms' else learner}"


def learner_of(account: str) -> int:
    """Whose an account is, as their own site counts them."""
    site, _, user = account.partition(":")
    return _LEARNERS[user] if site == "forms" and user in _LEARNERS else int(user)


def address(learner: int) -> str:
    """A learner's e-mail address as Moodle has it."""
    return f"löner.{learner}@example.org"


def address_at_forms(learner: int) -> str:
    """The same as forms send it: other capitals, and accents that are characters of their own."""
    return f"Lo\u0308ner.{learner}@Example.org"
