"""What posts lack, asked for a page of them: the same facts that the look-ups of the log table give.

Activities come first: what is learned from them (module, section) the later ones use.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.collectors.base import LookedUp
from agent.collectors.moodlews.answers import Answers
from agent.collectors.moodlews.facts.activities import activities
from agent.collectors.moodlews.facts.assignments import assignments
from agent.collectors.moodlews.facts.batch import Batch, Look
from agent.collectors.moodlews.facts.courses import courses
from agent.collectors.moodlews.facts.forums import forums
from agent.collectors.moodlews.facts.grades import grades
from agent.collectors.moodlews.facts.people import people
from agent.collectors.moodlews.facts.progress import progress
from agent.collectors.moodlews.facts.quizzes import quizzes
from agent.config.kinds import KindTable
from agent.errors import ConfigError, TransientError
from agent.model import Demand, Observation

__all__ = ["look_up"]

_LOOKS = (activities, quizzes, assignments, grades, forums, courses, people, progress)


async def look_up(
    seen: Sequence[Observation], demand: Demand, answers: Answers, kinds: KindTable, now: int
) -> LookedUp:
    """The observations with what is known now; ``owed`` are the positions of those to look at again.

    Where the site does not answer, what is not known stays unknown, and so do the roles of everybody.
    """
    answers.forget()
    batch = Batch([Look(one) for one in seen], demand, answers, kinds, now)
    reached = True
    for look in _LOOKS:
        try:
            await look(batch)
        except (TransientError, ConfigError):
            reached = False
            break
    if not reached:
        batch.owe_all()
    return LookedUp(
        observations=[look.told() for look in batch.looks],
        owed=frozenset(look.seen.position for look in batch.looks if look.owed),
        reached=reached,
        refused=bool(answers.lost),
    )
