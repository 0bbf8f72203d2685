"""What a rating of a post says, as facts. Pure.

A forum gives points up to a number, or a word of a scale. Moodle keeps the points, or the word's place from 1 on; its
own grades count the first word of a scale as nothing and the last as everything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from agent.collectors.numbers import whole
from agent.model import Fact

FACTS = frozenset({"rating", "rating_pct", "rating_word"})
_POINTS = re.compile(r"([0-9]{1,9}) / ([0-9]{1,9})")


def of_points(points: int, most: int) -> Mapping[str, Fact]:
    """So many points of the most there are; more than that (the forum was changed since) are all of them."""
    share = {} if most <= 0 else {"rating_pct": _per_cent(points, most)}
    return {"rating": points, **share}


def of_word(place: int, words: Sequence[str]) -> Mapping[str, Fact]:
    """The word at a place of a scale; of a scale that is not known the place alone is."""
    found: dict[str, Fact] = {"rating": place}
    if 1 <= place <= len(words):
        found["rating_word"] = words[place - 1].lower()
    if len(words) > 1:
        found["rating_pct"] = _per_cent(place - 1, len(words) - 1)
    return found


def of_text(text: str, words: Sequence[str]) -> Mapping[str, Fact]:
    """As web services write it: `8 / 10`, or a word of the scale, whose place is known where the scale is."""
    points = _POINTS.fullmatch(text.strip())
    if points is not None:
        return of_points(int(points[1]), int(points[2]))
    word = text.strip().lower()
    places = [place for place, one in enumerate(words, 1) if one.lower() == word]
    if len(places) == 1:
        return of_word(places[0], words)
    return {"rating_word": word} if word else {}


def words_of(scale: str) -> tuple[str, ...]:
    """The words of a scale as Moodle keeps them: one text, with commas."""
    return tuple(word.strip() for word in scale.split(","))


def _per_cent(part: int, base: int) -> int | Fraction:
    return whole(Fraction(100 * max(0, min(part, base)), base))
