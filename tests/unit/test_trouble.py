"""Trouble is told once in the same words, and once that it is over."""

from __future__ import annotations

from agent.retry import Trouble


def test_trouble_is_news_once_in_the_same_words_and_over_once() -> None:
    trouble = Trouble()
    assert not trouble.is_over()
    assert [trouble.is_news(said) for said in ("away", "away", "full", "away")] == [True, False, True, True]
    assert trouble.said == "away"
    assert [trouble.is_over(), trouble.is_over()] == [True, False]
    assert trouble.is_news("away")
