"""Sites asked by web services: does the token work, what does the service hold, and what do rules lose without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.cli.setup.looks.finding import Finding, named
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.collectors.moodlews.probe import Lack, SiteProbe
    from agent.config.settings import Settings
    from agent.config.tables.webservice import WebServiceSource
    from agent.engine.rulebook import Needs

NeedsByRule = Mapping[str, "Needs"]
_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
STEPS = "docs/integrations/moodle-web-services.md says where"


async def web_findings(settings: Settings, needs: NeedsByRule) -> list[Finding]:
    """What each site tells; ``needs`` is what the rules ask of it (empty: the rules are not known)."""
    findings: list[Finding] = []
    for source in settings.web_sources:
        findings.extend(await _source(settings, source, needs))
    return findings


async def _source(settings: Settings, source: WebServiceSource, needs: NeedsByRule) -> list[Finding]:
    from agent.clock import SystemClock
    from agent.collectors.moodlews.client import WebService
    from agent.collectors.moodlews.probe import probe
    from agent.wiring.sources.webservices import web_service_options

    about = f"source {source.name}"
    facts = {fact for one in needs.values() for fact in one.facts}
    kinds = {kind for one in needs.values() for kind in one.kinds}
    try:
        service = WebService(web_service_options(settings, source), SystemClock())
        try:
            seen = await probe(service, facts, kinds)
        finally:
            await service.close()
    except RewardsError as exc:
        return [*_in_clear(about, source), Finding.of(about, exc, "web-service-unusable")]
    return [*_in_clear(about, source), *_told(about, seen), *(_lack(about, one, needs) for one in seen.lacking)]


def _in_clear(about: str, source: WebServiceSource) -> Iterator[Finding]:
    url = urlsplit(source.url)
    if url.scheme != "https" and url.hostname not in _HERE:
        yield Finding(
            about=about,
            level="warn",
            code="token-in-clear",
            found="the token goes over the network in clear",
            do="write https:// in its url",
        )


def _told(about: str, seen: SiteProbe) -> Iterator[Finding]:
    courses = counted(seen.courses, "course")
    yield Finding(about=about, level="ok", found=f"Moodle {seen.release} answers; its user sees {courses}")
    if not seen.courses:
        yield Finding(
            about=about,
            level="warn",
            code="web-service-blind",
            found="its user sees no course, so that nothing is looked up and nothing found",
            do=f"give its role moodle/course:view at the site ({STEPS})",
        )
    if seen.writing:
        yield Finding(
            about=about,
            level="warn",
            code="write-access",
            found=f"the service holds functions that change things: {named(seen.writing)}",
            do="take them out: the agent only reads",
        )


def _lack(about: str, lack: Lack, needs: NeedsByRule) -> Finding:
    need = lack.need
    looking = [rule for rule, one in needs.items() if one.facts & (need.facts - {"staff"}) or _kinds(need.kinds, one)]
    parts = []
    if "staff" in need.facts:
        parts.append("who is staff cannot be told, so every award in a course is held")
    if need.facts - {"staff"}:
        parts.append(f"it feeds {named(need.facts - {'staff'})}")
    parts.append(f"the rules that this concerns: {named(looking)}" if looking else "no rule is concerned now")
    function = f"{need.function} (before Moodle 5.0 {need.instead})" if need.instead else need.function
    rights = named(need.capabilities) or "the capabilities that the manual lists"
    cure = (
        f"Site administration → Server → Web services → External services → Functions: add {function}"
        if lack.refused == "not in the service"
        else f"give the role of the service's user {rights} ({STEPS})"
    )
    return Finding(
        about=about,
        level="warn",
        code="function-missing",
        found=f"{need.function}: {lack.refused}; {'; '.join(parts)}",
        do=cure,
    )


def _kinds(patterns: tuple[str, ...], one: Needs) -> bool:
    from fnmatch import fnmatchcase

    return any(fnmatchcase(kind, pattern) for pattern in patterns for kind in one.kinds)
