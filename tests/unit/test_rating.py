"""What a rating says, however it was given and by whomever it is told."""

from __future__ import annotations

from fractions import Fraction

import pytest

from agent.collectors import rating
from agent.model import Fact

SCALE = rating.words_of("Separate, Mixed,Constructive ")


@pytest.mark.parametrize(
    ("points", "most", "pct"),
    [(0, 5, 0), (4, 5, 80), (5, 5, 100), (1, 3, Fraction(100, 3)), (8, 5, 100), (-999, 5, 0)],
)
def test_points_are_a_share_of_the_most_there_are(points: int, most: int, pct: Fact) -> None:
    assert rating.of_points(points, most) == {"rating": points, "rating_pct": pct}


def test_points_of_nothing_are_no_share() -> None:
    assert rating.of_points(3, 0) == {"rating": 3}


@pytest.mark.parametrize(
    ("place", "words", "facts"),
    [
        (1, SCALE, {"rating": 1, "rating_word": "separate", "rating_pct": 0}),
        (3, SCALE, {"rating": 3, "rating_word": "constructive", "rating_pct": 100}),
        (9, SCALE, {"rating": 9, "rating_pct": 100}),
        (2, (), {"rating": 2}),
        (1, ("Seen",), {"rating": 1, "rating_word": "seen"}),
    ],
)
def test_a_word_has_its_place_in_the_scale(place: int, words: tuple[str, ...], facts: dict[str, Fact]) -> None:
    assert rating.of_word(place, words) == facts


@pytest.mark.parametrize(
    ("text", "words", "facts"),
    [
        ("8 / 10", (), {"rating": 8, "rating_pct": 80}),
        ("Constructive", SCALE, {"rating": 3, "rating_word": "constructive", "rating_pct": 100}),
        ("Constructive", (), {"rating_word": "constructive"}),
        ("Twice", ("Twice", "twice"), {"rating_word": "twice"}),
        ("", SCALE, {}),
    ],
)
def test_what_web_services_write_says_as_much_as_they_tell(
    text: str, words: tuple[str, ...], facts: dict[str, Fact]
) -> None:
    assert rating.of_text(text, words) == facts
