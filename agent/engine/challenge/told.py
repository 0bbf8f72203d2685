"""A challenge in plain sentences, and where somebody stands in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.engine.challenge.compiled import step_kinds
from agent.engine.conditions import told
from agent.engine.earning.challenge import slots
from agent.engine.earning.challenge.count import Standing, standing
from agent.engine.earning.sets import Members
from agent.engine.explain import rule_sentences
from agent.engine.rulebook import CompiledChallenge, Rulebook

_STEP = "Only where "


def challenge_sentences(made: CompiledChallenge, rulebook: Rulebook) -> tuple[str, ...]:
    """What a challenge asks and gives, a sentence for each of its parts."""
    spec = made.spec
    order = ", in this order" if spec.order == "strict" and len(spec.step) > 1 else ""
    said = [f"{spec.title or spec.id}: a challenge of {len(spec.step)} step{'s' if len(spec.step) > 1 else ''}{order}."]
    for number, step in enumerate(spec.step, 1):
        kind = step_kinds(step)
        per = " and ".join(slots.per_of(step, kind))
        what = f"{step.title}: " if step.title else ""
        often = f"{step.count} of {' or '.join(step.on)}" if step.count > 1 else " or ".join(step.on)
        conditions = told(step.conditions, rulebook.values)
        where = f" where {conditions}" if conditions else ""
        said.append(f"Step {number}: {what}{often}{where}{f', each {per} once' if step.count > 1 else ''}.")
    said.extend(_terms(made))
    # What a rule says of payment, audience and limits holds for the challenge as it does for its first step.
    rest = rule_sentences(made.steps[0], rulebook)[1:]
    said.extend(one for one in rest if one and not one.startswith((_STEP, "Pays ")))
    if spec.next is not None:
        said.append(f"Whoever completes it is enrolled in {spec.next}.")
    return tuple(said)


def _terms(made: CompiledChallenge) -> list[str]:
    spec, said = made.spec, []
    if made.counting.plan.until is not None:
        said.append(f"The last day that counts is {made.counting.deadline}.")
    elif made.counting.deadline:
        begin = "the enrolment" if spec.by_hand else "the first act"
        said.append(f"To be completed within {made.counting.deadline} of {begin}.")
    if isinstance(spec.repeat, str):
        said.append(f"Can be completed once in each {spec.repeat}.")
    else:
        said.append("Begins anew after each time." if spec.repeat else "Can be completed once.")
    if spec.by_hand:
        said.append("Counts only for those who were enrolled, from then on.")
    return said


def place(made: CompiledChallenge, members: Members, now: int) -> dict[str, Any]:
    """Where somebody stands at ``now`` (seconds UTC): what JSON can carry; times are seconds UTC or None."""
    found = standing(made.counting.plan, members)
    steps = [
        {"step": number, "title": step.title or (step.id or ""), "done": has, "of": step.count}
        for number, (step, has) in enumerate(zip(made.spec.step, found.counts, strict=True), 1)
    ]
    return {
        "challenge": made.spec.id,
        "title": made.spec.title,
        "state": _state(made, found, now),
        "completed": len(found.finished),
        "completed_at": found.finished[-1] if found.finished else None,
        "began": found.began,
        "ends": found.ends,
        "steps": steps,
    }


def _state(made: CompiledChallenge, found: Standing, now: int) -> str:
    if found.finished and not made.spec.repeat:
        return "completed"
    if not found.enrolled:
        return "not enrolled"
    if found.ends is not None and now >= found.ends:
        return "begins anew" if made.counting.plan.until is None and not made.spec.by_hand else "over"
    return "under way" if any(found.counts) else "not begun"


def line(stands: Mapping[str, Any]) -> str:
    """`onboarding: under way, step 1 1/1, step 2 4/5`."""
    parts = [f"step {one['step']} {one['done']}/{one['of']}" for one in stands["steps"]]
    often = f" ({stands['completed']} times)" if stands["completed"] > 1 else ""
    shown = "" if stands["state"] in {"completed", "not enrolled"} else f", {', '.join(parts)}"
    return f"{stands['challenge']}: {stands['state']}{often}{shown}"
