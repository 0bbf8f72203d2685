"""What the configuration may say that this version does not do: refused where silence would mislead, told elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from agent.config.document import Document, Fault, FaultsError, load
from agent.config.settings import Settings


def check(settings: Settings, document: Document | None = None) -> None:
    """Refuse what would be silently ignored although somebody relies on it.

    ``document`` is the file the settings were read from; without it the file is read again for the positions.

    Raises:
        FaultsError: every such setting at once, with positions.
        ConfigError: the file is gone.
    """
    document = document or load(settings.path)
    faults = tuple(_refused(settings, document))
    if faults:
        raise FaultsError(faults)


def not_active(settings: Settings) -> tuple[str, ...]:
    """The settings that are accepted and have no effect without another: those that the file names."""
    named = []
    if settings.http is not None and not settings.post_sources and settings.http.status_listen is None:
        named.append("[http]")
    if settings.http is None and any(source.path is not None for source in settings.post_sources):
        posting = ", ".join(source.name for source in settings.post_sources if source.path is not None)
        named.append(f"[[source]] {posting}, without [http] to post to")
    if "identity" in settings.model_fields_set and not (settings.links or settings.naming_sources):
        named.append("[identity], with less than two sites that are trusted to link")
    if settings.privacy.identity != "pseudonym" and settings.catalogue is None:
        named.append("[privacy] identity, without a [catalogue] that is told")
    return tuple(named)


def _refused(settings: Settings, document: Document) -> Iterator[Fault]:
    privacy = settings.privacy
    saying = {*settings.linking_sources} & {one.name for one in settings.post_sources}
    if privacy.identity != "pseudonym" and not (settings.log_sources or settings.web_sources or saying):
        yield document.fault(
            ("privacy", "identity"),
            f"no source can tell a learner's {privacy.identity}: that takes a log table or web services of Moodle",
            'write identity = "pseudonym", or name a source that posts it: [identity] sources_trusted_to_link',
        )
    agreed = privacy.agreed
    if (agreed.cohorts or agreed.profile_field) and privacy.participation != "opt-in":
        yield document.fault(
            ("privacy", "agreed"),
            'who has agreed matters where learners are asked first, and participation is "opt-out"',
            'write participation = "opt-in", or leave agreed out',
        )
    if agreed.cohorts and not (settings.log_sources or settings.web_sources):
        yield document.fault(
            ("privacy", "agreed", "cohorts"),
            "no source can tell who is in a cohort: that takes a log table or web services of Moodle",
            "leave it out, and name who has agreed: rewards-agent learner opt-in --file",
        )
    if agreed.profile_field and not settings.log_sources:
        yield document.fault(
            ("privacy", "agreed", "profile_field"),
            "no source can read profile fields: that takes a log table of Moodle",
            "leave it out; name a cohort, or who has agreed: rewards-agent learner opt-in --file",
        )
