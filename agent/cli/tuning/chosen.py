"""Which rules are meant: files, the configured ones, or a version that the ledger kept."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    import sqlite3

    from agent.config.rulefile import RuleFile
    from agent.engine.rulebook import Rulebook

_VERSION = re.compile(r"[0-9a-fA-F]{4,64}")


def compiled(file: RuleFile) -> Rulebook:
    """The rules ready to judge.

    Raises:
        FaultsError: an example of theirs is untrue.
    """
    from agent.config.kinds import KindTable
    from agent.engine.rules import compile_rules

    return compile_rules(file, KindTable())


def named(name: str, connection: sqlite3.Connection | None) -> RuleFile:
    """The rules of a file, or of a version (or how one begins) of ``connection``'s ledger.

    Raises:
        ConfigError: it has faults.
        InvalidInputError: there is neither such a file nor such a version.
    """
    from agent.config.rulefile import load_rules, load_rules_text

    path = Path(name)
    if path.exists() or not _VERSION.fullmatch(name):
        return load_rules((path,))
    return load_rules_text(kept_text(name, connection))


def kept_text(version: str, connection: sqlite3.Connection | None) -> str:
    """The text of a version that the ledger keeps.

    Raises:
        ConfigError: there is no ledger.
        InvalidInputError: no version begins so, or several do.
    """
    from agent.ledger import reading

    if connection is None:
        message = f"there is neither a file {version} nor a ledger that could know such a version"
        raise ConfigError(message, hint="name a file, or the configuration with --config")
    begin = version.lower()
    found = [one for one, *_ in reading.rules_versions(connection) if one.startswith(begin)]
    kept = reading.rules_text(connection, found[0]) if len(found) == 1 else None
    if kept is None:
        several = f"{len(found)} versions begin with {version}" if found else f"there is no version {version}"
        raise InvalidInputError(several, hint="see: rewards-agent rules history")
    return kept[1]
