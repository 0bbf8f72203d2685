"""What is posted to us: does the door answer, what did it answer to whom, and why were posts refused."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from agent.cli.setup.looks.finding import Finding, named
from agent.errors import RewardsError

if TYPE_CHECKING:
    from agent.config.settings import PostSource, Settings

ANSWER_S_MAX = 5.0
REFUSED_S = 86_400
"""Refusals of a day count; older ones were looked at or have passed."""
_KEPT, _NOT_FOUND = 200, 404
_BY_STATUS: Mapping[int, str] = {
    400: "the sender's template says something else than its system should: see docs/integrations/",
    404: "a wrong path or token: compare the address and the token that the sender uses with those in config.toml",
    408: "bodies come too slowly: see the network between the sender and here",
    413: "bodies are larger than body_bytes_max",
    415: "send bodies uncompressed",
    429: "more than rate_limit_per_s: raise it, or let the sender send less at once",
    503: "the inbox cannot be written: see disk and data directory",
}


async def post_findings(settings: Settings) -> list[Finding]:
    """How each posting source fares; one small request is made to our own door, and nothing is kept."""
    sources = [source.name for source in settings.post_sources if source.path is not None]
    if not sources or settings.http is None:
        return []
    secrets = [one for one in settings.post_sources if one.path is not None]
    unusable = [found for source in secrets for found in _secrets(settings, source)]
    counts = await _counts(settings)
    findings = [*([await _door(settings)] if counts is not None else [])]
    told = _answered(counts) if counts else {}
    for name in sources:
        findings.extend(_source(name, told.get(name, {}), _refused(settings, name)))
    if told.get(""):
        found = f"requests to paths where nothing is posted were answered: {_codes(told[''])}"
        do = "scanners do that; if it is a sender of yours, compare its address with path in config.toml"
        findings.append(Finding(about="door", level="ok", found=found, do=do))
    return [*unusable, *findings]


def _secrets(settings: Settings, source: PostSource) -> Iterator[Finding]:
    """The tokens and secrets that cannot be used: the agent does not start with them."""
    from agent.config.secrets import read_secret

    for name in (*source.bearer_token_files, *source.secret_files):
        try:
            read_secret(settings.home, name)
        except RewardsError as exc:
            yield Finding.of(f"source {source.name}", exc, "secret-unusable")


async def _counts(settings: Settings) -> list[dict[str, Any]] | None:
    """What the running agent's door answered since its start; None where no agent runs."""
    from agent.service import control

    try:
        counts: list[dict[str, Any]] = await control.ask(settings.agent.data_dir, "door.answers", {})
    except (RewardsError, OSError):
        return None
    return counts


async def _door(settings: Settings) -> Finding:
    """Whether our own door answers where it is configured; it knows no such path, which is the right answer."""
    import aiohttp

    http = settings.http
    listen = "" if http is None else http.listen
    host, _, port = listen.rpartition(":")
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared, not listened at
    scheme = "https" if http is not None and http.certificate_file is not None else "http"
    timeout = aiohttp.ClientTimeout(total=ANSWER_S_MAX)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.get(f"{scheme}://{here}:{port}/", ssl=False) as answer,
        ):
            status = answer.status
    except (OSError, aiohttp.ClientError, TimeoutError) as exc:
        said = str(exc) or type(exc).__name__
        return Finding(
            about="door",
            level="fail",
            code="door-silent",
            found=f"nothing answers at {listen}: {said}",
            do="restart the agent; see its journal for why it does not listen: journalctl -u rewards-agent",
        )
    if status != _NOT_FOUND:
        return Finding(
            about="door",
            level="fail",
            code="door-silent",
            found=f"what answers at {listen} is not this agent's door: it said {status}",
            do="another program has the port: stop it, or choose another in [http] listen",
        )
    return Finding(about="door", level="ok", found=f"it answers at {listen}; that senders reach it, only they can show")


def _answered(counts: list[dict[str, Any]]) -> dict[str, dict[int, int]]:
    """Source → status → how many."""
    told: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for one in counts:
        told[one["source"]][one["status"]] += one["count"]
    return told


def _codes(counts: Mapping[int, int]) -> str:
    return ", ".join(f"{status} {count} times" for status, count in sorted(counts.items()))


def _source(name: str, counts: Mapping[int, int], refused: Mapping[str, int]) -> Iterator[Finding]:
    about = f"source {name}"
    wrong = {status: count for status, count in counts.items() if status != _KEPT}
    if wrong:
        worst = max(wrong, key=lambda status: wrong[status])
        yield Finding(
            about=about,
            level="warn",
            code="posts-refused",
            found=f"its posts were answered since the start: {_codes(counts)}",
            do=_BY_STATUS.get(worst, "see the reasons: rewards-agent status"),
        )
    elif counts:
        yield Finding(about=about, level="ok", found=f"its posts were answered since the start: {_codes(counts)}")
    elif not refused:
        yield Finding(about=about, level="ok", found="nothing was posted since the agent started, or it does not run")
    if refused:
        yield Finding(
            about=about,
            level="warn",
            code="posts-refused",
            found=f"{sum(refused.values())} posts were refused within a day: {named(refused)}",
            do=_BY_STATUS[400],
        )


def _refused(settings: Settings, name: str) -> dict[str, int]:
    """Reason → how many posts of a source were refused for it within a day."""
    from agent.collectors.inbox.store import FILE_NAME

    path = settings.agent.data_dir / FILE_NAME
    if not path.exists():
        return {}
    sql = "SELECT reason, count(*) FROM refused WHERE source = ? AND received_at > ? GROUP BY reason"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute(sql, (name, int(time.time()) - REFUSED_S)).fetchall())
    except sqlite3.Error:
        return {}  # the ledger's look tells what is wrong with the directory
