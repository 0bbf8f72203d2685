"""The rules of a campus, loaded and compiled, and how far each of its sources is believed."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from agent.config.document import Fault, FaultsError
from agent.config.kinds import KindTable
from agent.config.rulefile import RuleFile, load_rules, load_rules_text
from agent.config.rulefile.sense.reach import facts_told, warned
from agent.config.settings import Settings
from agent.config.ways_in import SUFFIX
from agent.engine.history import periods
from agent.engine.rulebook import Rulebook
from agent.engine.rules import compile_rules
from agent.errors import RewardsError
from agent.ledger.file import reading
from agent.ledger.rules.clashes import ClashError, clashes
from agent.model import Trust

if TYPE_CHECKING:
    from agent.pipeline import Pipeline


def read_rules(settings: Settings) -> tuple[RuleFile, Rulebook]:
    """The configured rules, loaded and compiled; a rule that no source can satisfy is among their warnings.

    Raises:
        FaultsError: everything that is wrong in them, with positions.
        ConfigError: a file is not there or not readable.
    """
    file = warned(load_rules(settings.rule_files(), facts=facts_told(settings)), settings)
    return file, compile_rules(file, KindTable())


async def adopt(pipeline: Pipeline, file: RuleFile, rulebook: Rulebook) -> None:
    """Put rules in force.

    Raises:
        FaultsError: the ledger cannot go on with them, with positions.
    """
    try:
        await pipeline.adopt(rulebook, file.text)
    except ClashError as error:
        raise FaultsError(file.fault(*one) for one in error.clashes) from None


def clashing(settings: Settings, file: RuleFile, rulebook: Rulebook) -> tuple[Fault, ...]:
    """Why the ledger cannot go on with these rules, nothing where there is none yet or nobody may read it."""
    with contextlib.suppress(RewardsError, OSError), reading(settings.agent.data_dir) as connection:
        return tuple(file.fault(*one) for one in clashes(connection, rulebook.decimals, periods(rulebook)))
    return ()


def compile_text(text: str) -> Rulebook:
    """The rulebook of a version's kept text."""
    return compile_rules(load_rules_text(text), KindTable())


def ceilings_of(settings: Settings) -> dict[str, Trust]:
    """Each source's highest trust."""
    found = {source.name: source.trust for source in settings.sources}
    found |= {source.name + SUFFIX: source.trust for source in settings.log_sources}
    return found | {source.name + SUFFIX: source.trust for source in settings.web_sources}
