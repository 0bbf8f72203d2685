"""Scheduled rewards in plain sentences: what `rules explain` says of them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.config.grammar import CALENDAR_WINDOWS, shown_number
from agent.config.rulefile.tables.scheduled import Among, Rank, Scheduled
from agent.engine.conditions import told
from agent.engine.explain import amounts, belongs, brakes, whom
from agent.engine.rulebook import Rulebook, Timed

_TIES = {
    "share-place": "Who ties for a place has its prize each, and as many places after it are passed over.",
    "split": "Who ties divides the prizes of the places they take; what does not divide is given to nobody.",
    "all": "Each different result is a place of its own, however many reach it.",
}


def sentences(timed: Timed, rulebook: Rulebook) -> tuple[str, ...]:
    """What a scheduled reward does, a sentence for each of its parts."""
    spec = timed.spec
    named = (f"{spec.title or spec.id}: {_when(spec)}.", *([spec.description] if spec.description else []))
    return (*named, *_what(timed, rulebook), *_bounds(timed, rulebook))


def _when(spec: Scheduled) -> str:
    return f"{_at(spec)}, over {_over(spec)}, decided {spec.settle.text} later"


def _at(spec: Scheduled) -> str:
    if spec.every is None:
        return f"at {spec.cron} (cron)"
    return f"at the end of {'each ' if spec.every in CALENDAR_WINDOWS else ''}{spec.every}"


def _over(spec: Scheduled) -> str:
    window = spec.looked_at
    if window is None and spec.every is not None:
        return f"that {spec.every}" if spec.every in CALENDAR_WINDOWS else f"all of {spec.every}"
    if window is None:
        return "all that happened since the time before"
    if window.kind == "rolling":
        return f"the {window.name} before it"
    if window.kind == "period":
        return f"{window.name} as far as it is over, for the last time once it has ended"
    return "all there ever was" if window.name == "ever" else f"the last {window.name}"


def _what(timed: Timed, rulebook: Rulebook) -> Iterator[str]:
    spec = timed.spec
    prizes = [amounts(payee.postings, rulebook) for payee in timed.rule.payees]
    if spec.rank is not None:
        yield f"Ranks by {_among(spec.rank)}: {_listed(prizes)}."
        yield _TIES[spec.ties]
    elif spec.attendance is not None:
        what = f"{spec.attendance.days} days" if spec.attendance.days is not None else f"{spec.attendance.weeks} weeks"
        yield f"Who has {spec.attendance.of} on {what} of it gets {prizes[0]}."
    elif spec.anniversary is not None:
        ago = " or ".join(map(str, spec.anniversary.years)) or "whole"
        years = "year" if spec.anniversary.years == (1,) else "years"
        yield f"Whose {spec.anniversary.of} is {ago} {years} ago to the day gets {prizes[0]}, once for each year."
    elif spec.inactivity is not None:
        gets = "" if prizes[0] == "nothing" else f", and gets {prizes[0]}"
        of = f" of {spec.inactivity.of}" if spec.inactivity.of else ""
        yield f"Who did nothing{of} for {spec.inactivity.for_.text} is told so once{gets}."
    elif spec.draw is not None:
        yield f"Draws {spec.draw.winners} among those by {_among(spec.draw.among)}: {_listed(prizes)}."
        each = spec.draw.tickets
        yield f"One ticket for {'each who takes part' if each is None else f'each {shown_number(each)} of it'}."
        if spec.draw.announce:
            yield f"Announced beforehand: {spec.draw.announce}"
        yield (
            "The seed is the chain alone: whoever runs the agent can steer it."
            if spec.draw.seed == "chain"
            else "The seed is the catalogue's signature under the list that was announced before."
        )


def _among(among: Rank | Among) -> str:
    parts = [among.by.text]
    if among.at_least is not None:
        parts.append(f"at least {shown_number(among.at_least)}")
    if among.group is not None:
        parts.append(f"of group {among.group}")
    if among.course is not None:
        parts.append(f"in course {among.course}")
    return ", ".join(parts)


def _bounds(timed: Timed, rulebook: Rulebook) -> Iterator[str]:
    spec = timed.spec
    if spec.audience is not None:
        yield whom(spec.audience)
    conditions = told(spec.conditions, rulebook.values)
    if conditions:
        yield f"Only acts count where {conditions}."
    if spec.among is not None and not spec.counts:
        yield "Its prizes do not count into rankings."
    if spec.among is None or spec.among.by.how != "earned":
        yield from _whose(spec)
    yield from brakes(timed.rule)
    yield from belongs(timed.rule.spec)
    if spec.mode != "live":
        yield "Decides and reports, pays nothing." if spec.mode == "shadow" else "Switched off."


def _whose(spec: Scheduled) -> Iterator[str]:
    """Whom acts count for, and how far they must be believed."""
    if spec.recipient != "subject":
        yield f"An act counts for its {spec.recipient}."
    yield f"An act believed less than {spec.min_trust.name} does not count."


def _listed(prizes: Sequence[str]) -> str:
    if len(prizes) == 1:
        return f"each gets {prizes[0]}"
    return "; ".join(f"{place}. {prize}" for place, prize in enumerate(prizes, 1))
