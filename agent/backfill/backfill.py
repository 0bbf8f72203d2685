"""What happened before is decided by rules that came later, or were mended: page by page, only adding to the ledger.

What was paid stands, what was never decided is decided now, what other rules of that name refused is decided anew, and
so is what an experiment held out that is over, where it says that this is paid then.
Only where it is asked for is an award answered that the rules would no longer make. A second time changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import aiosqlite

from agent.backfill.asked import Asked, Outcomes, Which
from agent.backfill.deciding import Deciding
from agent.backfill.reading import Log, Reading
from agent.clock import Clock
from agent.engine.experiment.groups import paid_after
from agent.engine.rulebook import CompiledRule, Rulebook
from agent.errors import ConfigError
from agent.ledger.record import Recorder
from agent.ledger.writer import Writer
from agent.model import Event, Trust
from agent.pipeline import Pipeline

Unit = Callable[[aiosqlite.Connection], Awaitable[Outcomes]]
"""What is done in one transaction."""

COUNTS = ("events", "awarded", "held", "refused", "reversed", "stood", "compensated")


class Backfill:
    """Carries out `rules backfill` and `events replay`; ``log_from`` and ``ceilings`` as in `Reading`.

    ``followed`` lets badges follow from what a unit takes back.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        recorder: Recorder,
        pipeline: Pipeline,
        data_dir: Path,
        log_from: Callable[[str, int], Log],
        ceilings: Mapping[str, Trust],
        clock: Clock,
        followed: Callable[[Unit, int], Unit],
    ) -> None:
        self._writer = writer
        self._clock = clock
        self._followed = followed
        self._pipeline = pipeline
        self._reading = Reading(data_dir, stands=pipeline.stands, log_from=log_from, ceilings=ceilings)
        self._deciding = Deciding(recorder, pipeline, clock)

    async def page(
        self,
        *,
        rule: str,
        since: int,
        until: int,
        source: str,
        compensate: bool,
        by: str,
        version: str,
        cursor: dict[str, int] | None = None,
    ) -> dict[str, Any]:
        """One page after ``cursor``, decided by one rule; ask again with the cursor it returns, until that is None.

        ``version`` is the rules that whoever asks has looked at. Counts are of decisions (``awarded``, ``held``,
        ``refused``), of those that stood before, and of awards answered; ``postings`` are what was paid.

        Raises:
            ConfigError: the rule does not pay, or other rules run than those that were looked at.
            InvalidInputError: there is no such log source, or it was never read.
        """
        rules = frozenset({rule})
        asked = Asked(rules=rules, since=since, until=until, log=source, compensate=compensate, by=by)
        return await self._carried(asked, self._chosen([rule], version), cursor)

    async def replay(
        self,
        *,
        between: tuple[int, int],
        by: str,
        version: str,
        rules: Sequence[str] = (),
        which: Mapping[str, Any] | None = None,
        compensate: bool = False,
        cursor: dict[str, int] | None = None,
    ) -> dict[str, Any]:
        """One page of recorded events, decided by all live rules or by these; otherwise as `page`.

        ``between`` are two times, seconds UTC, the end excluded, ``which`` the fields of `Which`. What other rules hold
        for trust or for lack of a fact is decided again. ``changes`` tells differences one by one, bounded.
        """
        rulebook = self._chosen(rules, version)
        asked = Asked(
            rules=frozenset(rulebook.by_id()),
            since=between[0],
            until=between[1],
            compensate=compensate,
            waiting=True,
            by=by,
            which=Which(**(which or {})),
        )
        return await self._carried(asked, rulebook, cursor)

    async def _carried(self, asked: Asked, rulebook: Rulebook, cursor: dict[str, int] | None) -> dict[str, Any]:
        part = await self._reading.slice(asked, rulebook, cursor)
        unit: Unit = partial(self._unit, asked, rulebook, part.events)
        found = await self._writer.run(self._followed(unit, self._clock.now()) if asked.compensate else unit)
        return {
            "cursor": part.cursor,
            "position": part.position,
            "last": part.last,
            **{name: found.counts[name] for name in COUNTS},
            "postings": dict(found.postings),
            "changes": list(found.changes),
        }

    async def _unit(
        self, asked: Asked, rulebook: Rulebook, events: Sequence[Event], connection: aiosqlite.Connection
    ) -> Outcomes:
        return await self._deciding.decide(connection, asked, rulebook, events)

    def _chosen(self, rules: Sequence[str], version: str) -> Rulebook:
        """The running rules with these only; without any, with all that pay."""
        if self._pipeline.shadow:
            raise ConfigError(
                "the agent is in shadow mode: nothing is paid",
                hint='see what it would come to with rules simulate; [agent] mode = "live" pays',
            )
        rulebook = self._pipeline.rulebook
        if rulebook.version != version:
            raise ConfigError(
                "the agent runs other rules than these files hold",
                hint="let it read them (it does so by itself within seconds, if they are in order), then try again",
            )
        for name in rules:
            _require_live(name, rulebook.rule(name))
        wanted = frozenset(rules)
        chosen = tuple(one for one in rulebook.rules if (one.id in wanted if wanted else one.mode == "live"))
        lifted = paid_after(rulebook.experiments, self._clock.now())
        return replace(rulebook, rules=chosen, lifted=lifted, _matches={})


def _require_live(name: str, rule: CompiledRule | None) -> None:
    if rule is None or rule.mode != "live":
        state = "there is no" if rule is None else f"in mode {rule.mode} is the"
        raise ConfigError(f"{state} rule {name}", hint="only a live rule can pay for what was before")
