"""What the rules ask and the configured sources cannot give: a trust that none reaches, facts that none tells."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from agent.config.document import Fault
from agent.config.facts import FactTable
from agent.config.rulefile.check import nearest
from agent.config.rulefile.merged import Placed, RuleFile
from agent.config.rulefile.models import Rule
from agent.config.rulefile.tables.challenge import Challenge
from agent.config.rulefile.tables.scheduled import Scheduled
from agent.config.settings import LogSource, PostSource, Settings, Source
from agent.model import Trust


def unreached(rules: RuleFile, settings: Settings) -> tuple[Fault, ...]:
    """Each rule, challenge and scheduled rule whose `min_trust` is above what any configured source may claim.

    What they decide is held, never lost: somebody may approve it, a source that reaches them may still come. So an
    agent runs with them and warns; whoever asks whether rules are in order is told that these are not.
    """
    return tuple(_beyond(rules, settings))


_BY_THE_CLOCK = "scheduled"
"""The source of what is decided at a time."""


def facts_told(settings: Settings) -> FactTable:
    """The table of facts, of which those that no configured source can supply are warned of."""
    return FactTable(sources=frozenset(source.kind for source in settings.sources) or None)


def unheard(rules: RuleFile, settings: Settings) -> tuple[Fault, ...]:
    """Each source that a cap names and nobody configured: such a cap counts nothing of it."""
    known = {source.name for source in settings.sources} | {_BY_THE_CLOCK}
    if not settings.sources:
        return ()
    return tuple(
        cap.fault(f"no [[source]] is called {name!r}", nearest(name, known), at=("source", number))
        for cap in rules.caps
        for number, name in enumerate(cap.it.source or ())
        if name not in known
    )


def warned(rules: RuleFile, settings: Settings) -> RuleFile:
    """The rules, with a warning for each that no source reaches and for each source that is not there."""
    more = (*unreached(rules, settings), *unheard(rules, settings))
    return dataclasses.replace(rules, warnings=tuple(sorted((*rules.warnings, *more))))


def _beyond(rules: RuleFile, settings: Settings) -> Iterator[Fault]:
    if not settings.sources:
        return
    most = max(map(_reached_by, settings.sources))
    counting = (one for one in rules.scheduled if one.it.among is None or one.it.among.by.how != "earned")
    asking: tuple[Placed[Rule | Challenge | Scheduled], ...] = (*rules.rules, *rules.challenges, *counting)
    for placed in asking:
        # What is left out may be meant: a source whose every award a person approves.
        written = "min_trust" in placed.it.model_fields_set
        if written and placed.it.mode != "off" and placed.it.min_trust > most:
            yield placed.fault(
                f"no configured source reaches min_trust {placed.it.min_trust.name}: all would be held for ever",
                f"the highest is {most.name}; lower min_trust, or see `trust` and what proves each [[source]]"
                f" in {settings.path}: only a log table reaches server_verified, a token or signature trusted_source",
                at=("min_trust",),
            )


def _reached_by(source: Source) -> Trust:
    """The most that what proves its events is worth, within its ceiling; `engine.trust` judges each event."""
    if isinstance(source, LogSource):
        earned = Trust.server_verified
    elif not isinstance(source, PostSource) or source.bearer_token_files or source.secret_files or source.pull:
        earned = Trust.trusted_source
    elif source.kind == "generic":
        earned = Trust.trusted_source  # what an administrator imports from a file
    else:
        earned = Trust.client_reported if source.allow_ips else Trust.unverified
    return min(earned, source.trust)
