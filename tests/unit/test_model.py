"""The nouns made for every event: refused assignments, equality and hashes."""

from __future__ import annotations

from agent.model import Use


def a_use(*, amount: int = 2) -> Use:
    """One use of a quota."""
    return Use(meter="once:r", bucket="lesson=1", learner="moodle:7", at=1, amount=amount)


def test_nouns_of_equal_fields_are_equal_and_hash_alike() -> None:
    assert a_use() == a_use()
    assert {a_use()} == {a_use()}
    assert a_use() != a_use(amount=3)


def test_the_type_checker_refuses_to_assign_a_nouns_field() -> None:
    # An ignore that ignores nothing is an error of the checker: this one says that it refuses.
    use = a_use()
    use.amount = 3  # type: ignore[misc]
    assert not hasattr(use, "__dict__")
