"""What Moodle logged under a name that rules ask for, but in a state that makes it another act: one sentence. Pure."""

from __future__ import annotations

from agent.collectors.numbers import whole_number
from agent.collectors.systems import moodle
from agent.engine.trust import event_id
from agent.model import Event

_COUNT = "only the states 1 (done) and 2 (passed) are completions"
_STATES = {
    "0": f"Moodle logged it as taken back (state 0): {_COUNT}",
    "1": "",
    "2": "",
    "3": f"Moodle logged it as failed (state 3): {_COUNT}",
    "4": f"Moodle logged it as failed, with a grade that is hidden (state 4): {_COUNT}",
    "": "what Moodle logged beside it (`other`) is unreadable: no state of completion stands there",
}
_OTHERS = {
    moodle.GRADED: "Moodle does not show it as the grade of an activity or of a course",
    moodle.TAGGED: "what was tagged is no post of a forum",
    moodle.ASSIGN_STATUS: "the submission was neither reopened nor put back to draft",
    moodle.COURSE_RESET: "completions were not among what was reset",
}


def uncounted(event: Event) -> str:
    """Why an act is not the one that its name in the log promises; empty where it is, or promises none."""
    seen = event.seen
    if seen.lms_event != moodle.COMPLETION:
        return _OTHERS.get(seen.lms_event, "") if seen.kind is None else ""
    if seen.kind == "lesson.completed":
        return ""
    state = _state(event)
    if state is None:
        return f"Moodle logged it in another state: {_COUNT}"
    return _STATES.get(state, f"Moodle logged it in state {state}: {_COUNT}")


def _state(event: Event) -> str | None:
    """The state of a completion; None where nothing tells it.

    The ledger does not keep it, but it is part of the fact: the state with which the event has its id is the one.
    """
    seen = event.seen
    if seen.natural_key:
        return seen.natural_key[-1]
    actor, subject, on, lesson = (
        whole_number(text or "0", signed=True)
        for text in (seen.people.get("actor"), seen.people.get("subject"), seen.object_id, seen.lesson)
    )
    if actor is None or lesson is None:
        return None
    for state in _STATES:
        key = moodle.natural_key(
            event=seen.lms_event,
            user=actor,
            related=subject or None,
            object_table=seen.object_table,
            object_id=on or None,
            context_instance=lesson,
            time=seen.occurred_at,
            detail=state,
        )
        if event_id(seen.site, key) == event.event_id:
            return state
    return None
