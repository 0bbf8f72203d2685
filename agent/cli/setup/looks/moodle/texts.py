"""Whether texts are still digested with the key that they were digested with before."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agent.cli.frame import utc
from agent.cli.setup.looks.finding import Finding, named
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import Settings
    from agent.engine.rulebook import Needs

FACTS = frozenset({"text_digest", "text_sketch"})
TOLD_S = 30 * 86_400
"""How long it is told that the key is another: after that hardly a rule looks back farther."""


def text_findings(settings: Settings, needs: Mapping[str, Needs]) -> Iterator[Finding]:
    """The key of texts, where a rule compares them; silent where the ledger cannot be read: that is told elsewhere."""
    comparing = [rule for rule, one in needs.items() if one.facts & FACTS]
    if not comparing:
        return
    with contextlib.suppress(RewardsError, sqlite3.Error):
        found = _amiss(settings)
        if found:
            yield Finding(
                about="text.key",
                level="warn",
                code="text-key-lost",
                found=f"{found}: texts from before are not known again when they are handed in once more; the"
                f" rules that compare: {named(comparing)}",
                do="if a backup from before has text.key: stop the agent, put that file into the data directory, start"
                f" it; otherwise it is told for {TOLD_S // 86_400} days and nothing needs to be done",
            )


def _amiss(settings: Settings) -> str:
    from agent.ledger import file, reading
    from agent.wiring.textkey import IN_USE, SINCE, fingerprint

    if not file.ledger_path(settings.agent.data_dir).exists():
        return ""
    with file.reading(settings.agent.data_dir) as connection:
        known, since = reading.setting(connection, IN_USE), reading.setting(connection, SINCE)
    here = fingerprint(settings.agent.data_dir)
    if known and not here:
        return "the key under which texts are digested is gone, and the next start makes another"
    if known and here != known:
        return "the key under which texts are digested is another than the agent began with"
    if since and time.time() - int(since) < TOLD_S:
        return f"the key under which texts are digested is another since {utc(int(since))}"
    return ""
