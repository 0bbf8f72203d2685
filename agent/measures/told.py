"""What is last known of learners and courses: cohorts, facts of profiles, names. In any order it is the same."""

from __future__ import annotations

from collections.abc import Mapping

Texts = tuple[str, ...]


class Newest:
    """By whom (a learner, a course) and by name, the texts that were told last; of one time the greater ones."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, tuple[int, Texts]]] = {}

    def tell(self, whose: str, name: str, at: int, texts: Texts) -> None:
        """At ``at`` (seconds UTC) it was so."""
        known = self._known.setdefault(name, {})
        said = (at, texts)
        known[whose] = max(known.get(whose, said), said)

    def of(self, whose: str, name: str) -> Texts:
        """What was told last; nothing where nothing was."""
        return self._known.get(name, {}).get(whose, (0, ()))[1]

    def names(self) -> list[str]:
        """The names under which anything was told."""
        return sorted(self._known)

    def by(self, name: str) -> Mapping[str, Texts]:
        """All that was told under that name."""
        return {whose: texts for whose, (_, texts) in self._known.get(name, {}).items()}
