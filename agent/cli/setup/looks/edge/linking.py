"""Who is who: whether the sources that are trusted to link tell anything to link by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding

if TYPE_CHECKING:
    from agent.config.settings import Settings


def linking_findings(settings: Settings) -> Iterator[Finding]:
    """A finding for each source that `[identity]` names and that says nothing of what `link_by` compares."""
    from agent.collectors.systems.registry import IDENTIFIES

    link_by, logs = settings.identity.link_by, {source.name for source in settings.log_sources}
    trusted = (one for one in settings.sources if one.name in settings.linking_sources and one.name not in logs)
    for source in trusted if link_by else ():
        told = IDENTIFIES.get(source.kind, ())
        if set(told) & set(link_by):
            continue
        found = f"it is trusted to link, but kind {source.kind} tells nothing of who somebody is"
        do = "take it out of [identity] sources_trusted_to_link"
        if told:
            found = (
                f"it is trusted to link, but tells {' and '.join(told)}, and link_by compares {' and '.join(link_by)}"
            )
            do += f', or add "{told[0]}" to link_by'
        yield Finding(about=f"source {source.name}", level="warn", code="link-says-nothing", found=found, do=do)
