"""What one learner has of badges, levels and tiers, and what is lacking for the next: for `learner show`."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.frame import run_async

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.recognition.ladder import Rung
    from agent.engine.recognition.model import Progress
    from agent.engine.rulebook import Rulebook


def shelf(settings: Settings, rulebook: Rulebook, learner: str, had: Collection[str]) -> dict[str, Any]:
    """Levels by currency, the tier, badges that the learner has (``had``, ids) and those to come, for JSON."""
    from agent.engine.recognition import ladder
    from agent.engine.recognition.model import judge, names_of

    words = rulebook.words
    criteria = {
        badge.id: words.criterion(wanted)
        for badge in rulebook.badges.values()
        if badge.mode == "live" and badge.id not in had and (wanted := badge.wanted()) is not None
    }
    names = {name for criterion in criteria.values() for name in names_of(criterion)}
    names |= ladder.looked_at(words, rulebook.levels, rulebook.tiers)
    numbers = run_async(_numbers(settings, learner, names)) if names else {}

    def standing(name: str) -> int:
        return numbers.get((name, learner), 0)

    levels = ladder.levels_of(words, rulebook.levels, standing)
    tiers = ladder.tiers_of(words, rulebook.tiers, standing)
    reached = ladder.highest(tiers)
    return {
        "levels": [
            {
                "currency": currency,
                "level": _named(ladder.highest(levels, currency)),
                "next": _next(ladder.following(levels, currency)),
            }
            for currency in dict.fromkeys(level.currency for level in levels)
        ],
        "tier": _named(reached),
        "next_tier": _next(ladder.following(tiers)),
        "tiers": [{**_shown(tier), "reached": tier.reached, "visible": tier.visible} for tier in tiers],
        "badges": [_badge(rulebook, badge) for badge in had],
        "to_come": [
            {**_badge(rulebook, badge), **_progress(judge(criterion, standing))}
            for badge, criterion in criteria.items()
        ],
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The same for people; tiers that are not to be shown are left out."""
    if found["badges"]:
        yield f"badges: {', '.join(badge['title'] for badge in found['badges'])}"
    for one in found["levels"]:
        if one["next"]:
            yield f"next level {one['next']['name']}: {one['next']['lacks']}"
    if found["tier"]:
        perk = next((tier["perk"] for tier in found["tiers"] if tier["name"] == found["tier"]), "")
        yield f"tier {found['tier']}{f': {perk}' if perk else ''}"
    following = found["next_tier"]
    if following and following["visible"]:
        yield f"next tier {following['name']}: {following['lacks']}"
    for badge in found["to_come"]:
        yield f"badge to come, {badge['title']}: {badge['lacks']}"


async def _numbers(settings: Settings, learner: str, names: Collection[str]) -> Mapping[tuple[str, str], int]:

    from agent.ledger import file
    from agent.ledger.past import standing
    from agent.ledger.record.names import Names
    from agent.ledger.record.people import People

    async with contextlib.AsyncExitStack() as stack:
        connection = await stack.enter_async_context(file.connect_for_reading(settings.agent.data_dir))
        found = await standing.load(connection, Names(), People(), wanted=names, given=(), learners=[learner])
    return found.numbers


def _badge(rulebook: Rulebook, badge_id: str) -> dict[str, Any]:
    badge = rulebook.badges.get(badge_id)
    if badge is None:
        return {"id": badge_id, "title": badge_id, "name": badge_id, "emoji": "", "description": ""}
    return {
        "id": badge.id,
        "title": badge.title,
        "name": badge.name or badge.id,
        "emoji": badge.emoji,
        "description": badge.description,
    }


def _named(rung: Rung | None) -> str:
    return rung.name if rung is not None else ""


def _shown(rung: Rung) -> dict[str, Any]:
    return {
        "name": rung.name,
        "currency": rung.currency,
        "perk": rung.perk,
        "colour": rung.colour,
        "description": rung.description,
    }


def _next(rung: Rung | None) -> dict[str, Any] | None:
    return None if rung is None else {**_shown(rung), "visible": rung.visible, **_progress(rung.progress)}


def _progress(progress: Progress) -> dict[str, Any]:
    lacks = "nothing: it comes with the next award" if progress.met else progress.lacks()
    return {"have": progress.have, "needed": progress.needed, "lacks": lacks}
