"""What a message may say besides facts: the learner's names, filled in where somebody reads it and never recorded."""

from __future__ import annotations

from collections.abc import Mapping

LEARNER_WORDS = ("learner.first_name", "learner.last_name", "learner.username")
"""Names in braces that are no facts."""


def addressed(message: str, names: Mapping[str, str]) -> str:
    """A message with the learner's names, each by its word of `LEARNER_WORDS`."""
    for word, name in names.items():
        message = message.replace(f"{{{word}}}", name)
    return message
