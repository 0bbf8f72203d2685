"""What a cohort is called: its idnumber, else its name; a name that is another cohort's idnumber means that one."""

from __future__ import annotations

from collections.abc import Container


def called(idnumber: str | None, name: str, numbers: Container[str]) -> tuple[str, ...]:
    """The words by which rules mean a cohort; of ``numbers``, other cohorts' idnumbers, its name is none."""
    return tuple(dict.fromkeys(text for text in (idnumber, "" if name in numbers else name) if text))
