"""Whether somebody answers who the hosts are that the configuration names; a silent resolver looks like dead hosts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from agent.cli.setup.looks.finding import Finding
from machine.reaching import names

if TYPE_CHECKING:
    from agent.config.settings import Settings

_DO = (
    "see that it runs and can be reached (resolvectl status), or name another one in /etc/resolv.conf; until then a"
    " host's address may stand in /etc/hosts; nothing is lost, all is tried again"
)


async def resolver_findings(settings: Settings) -> list[Finding]:
    """One finding where names are not answered; all are asked at once. What is denied is told with its source."""
    hosts = sorted(set(_hosts(settings)))
    silent = [host for host in await asyncio.gather(*map(_silent, hosts)) if host]
    if not silent:
        return []
    asked = ", ".join(names.resolvers()) or "of this machine"
    waited = f"within {names.ANSWER_S_MAX:g} s"
    found = f"the resolver ({asked}) does not answer {waited} who {', '.join(silent)} is"
    return [Finding(about="names", level="fail", code="resolver-silent", found=found, do=_DO)]


async def _silent(host: str) -> str:
    """The host, where nobody answers; else nothing."""
    try:
        with contextlib.suppress(UnicodeError):
            await asyncio.get_running_loop().getaddrinfo(host, None)
    except OSError as error:
        return host if isinstance(error, names.UnansweredError) else ""
    return ""


def _hosts(settings: Settings) -> Iterator[str]:
    """Whose names this machine looks up: behind a proxy that is the proxy's alone."""
    urls = [url for source in settings.log_sources for url in (source.url, source.log_url)]
    urls += [source.url for source in settings.web_sources]
    urls += [one.pull.proxy or one.pull.url for one in settings.post_sources if one.pull is not None]
    urls += [one.proxy or one.url for one in settings.callbacks]
    if settings.catalogue is not None:
        urls.append(settings.catalogue.proxy or settings.catalogue.url)
    for url in urls:
        parts = urlsplit(url or "")
        if parts.hostname and "unix_socket" not in parse_qs(parts.query):
            yield parts.hostname
