"""What the readers of log tables are told of a configured source."""

from __future__ import annotations

from agent.collectors.logstore.options import Asked, LogstoreOptions
from agent.config.secrets import read_secret
from agent.config.settings import LogSource, Settings
from agent.model import CLAIMED
from agent.wiring.textkey import text_key


def logstore_options(settings: Settings, source: LogSource) -> LogstoreOptions:
    """What the log-table collector is told about a configured source; reads its secrets.

    Raises:
        ConfigError: a secret is missing, empty, or others may read it.
    """

    def secret(name: str | None) -> str | None:
        return read_secret(settings.home, name).reveal() if name else None

    return LogstoreOptions(
        name=source.name,
        site=source.site_name,
        url=str(source.url),
        password=secret(source.password_file),
        table_prefix=source.table_prefix,
        log_url=str(source.log_url) if source.log_url else None,
        log_password=secret(source.log_password_file),
        log_table=source.log_table,
        start_at=source.start_at,
        poll_interval_s=source.poll_interval_s,
        gap_patience_s=float(source.gap_patience_s),
        backdated_after_s=source.backdated_after_s,
        site_admins=frozenset(source.site_admins),
        link_by=_compared(settings) if settings.links and source.name in settings.linking_sources else (),
        asked=asked_of(settings),
        text_key=text_key(settings.agent.data_dir),
        place=f"{settings.path}: [[source]] {source.name}",
    )


def asked_of(settings: Settings) -> Asked | None:
    """What says in the LMS that somebody agreed; None where nothing there does."""
    told = settings.privacy.agreed
    if not (told.cohorts or told.profile_field):
        return None
    return Asked(cohorts=told.cohorts, profile_field=told.profile_field)


def _compared(settings: Settings) -> tuple[str, ...]:
    """What a table of users can tell of `link_by`: an account there has no ids elsewhere."""
    return tuple(by for by in settings.identity.link_by if by != CLAIMED)
