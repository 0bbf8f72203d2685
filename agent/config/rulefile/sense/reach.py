"""What the rules ask and the configured sources cannot give: a trust that none of them reaches."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.document import Fault, FaultsError
from agent.config.rulefile.merged import RuleFile
from agent.config.settings import LogSource, PostSource, Settings, Source
from agent.model import Trust


def require_reachable(rules: RuleFile, settings: Settings) -> None:
    """Refuse rules that could only ever hold.

    Raises:
        FaultsError: a rule's `min_trust` is above what any configured source may claim; every such rule at once.
    """
    faults = tuple(_beyond(rules, settings))
    if faults:
        raise FaultsError(faults)


def _beyond(rules: RuleFile, settings: Settings) -> Iterator[Fault]:
    if not settings.sources:
        return
    most = max(map(_reached_by, settings.sources))
    for rule in rules.rules:
        # What is left out may be meant: a source whose every award a person approves.
        written = "min_trust" in rule.it.model_fields_set
        if written and rule.it.mode != "off" and rule.it.min_trust > most:
            yield rule.fault(
                f"no configured source reaches min_trust {rule.it.min_trust.name}: all would be held for ever",
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
