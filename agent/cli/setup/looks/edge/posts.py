"""What is posted to us: does the door answer, what did it answer to whom, and why were posts refused."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from agent.cli.setup.looks.finding import Finding, named
from agent.errors import RewardsError
from machine.words import counted

if TYPE_CHECKING:
    from agent.config.settings import PostSource, Settings

ANSWER_S_MAX = 5.0
REFUSED_S = 86_400
"""Refusals of a day count; older ones were looked at or have passed."""
_KEPT, _NOT_FOUND = 200, 404
_BY_RESULT: Mapping[str, str] = {
    "credential": "a wrong token or signature: compare what the sender shows with the files named in config.toml",
    "address": "if it is the sender, add it to allow_ips; if it is your proxy, name it in [http] trusted_proxies",
}
"""What is done about those that get one and the same answer."""
_BY_STATUS: Mapping[int, str] = {
    400: "the sender's template says something else than its system should: see docs/integrations/",
    404: "a wrong path, token or address: restart the agent, which is older than this command and cannot say which",
    405: "it is not posted: a redirect on the way (http to https, say) turns a post into a GET; give the last address",
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
    unusable = [found for source in secrets for found in (*_secrets(settings, source), *_unproven(source))]
    counts = await _counts(settings)
    findings = [*_unanswered(settings)] if counts is None else [await _door(settings)]
    told: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in counts or ():
        told[one["source"]].append(one)
    for name in sources:
        findings.extend(_source(name, told[name], _refused(settings, name)))
    if told[""]:
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


def _unproven(source: PostSource) -> Iterator[Finding]:
    """Whoever posts shows nothing that is theirs alone."""
    if source.bearer_token_files or source.secret_files:
        return
    whoever, trust = ("at an address of allow_ips", "client_reported") if source.allow_ips else ("here", "unverified")
    yield Finding(
        about=f"source {source.name}",
        level="warn",
        code="posts-unproven",
        found=f"whoever is {whoever} can post for any learner: no token and no signature is asked for, so that what"
        f" comes is {trust}, and is held wherever min_trust is left out",
        do="make a token (docs/integrations/generic.md) and name it in bearer_token_files; systems that sign have"
        " secret_files",
    )


async def _counts(settings: Settings) -> list[dict[str, Any]] | None:
    """What the running agent's door answered since its start; None where no agent answers."""
    from agent.service import control

    within_s = control.ALIVE_WITHIN_S
    try:
        counts: list[dict[str, Any]] = await control.ask(settings.agent.data_dir, "door.answers", {}, within_s=within_s)
    except (RewardsError, OSError):
        return None
    return counts


def _unanswered(settings: Settings) -> Iterator[Finding]:
    """No agent is there to take posts: a failure where it has worked before and no log tells them as well."""
    from agent.cli.setup.looks.edge.ports import port_findings
    from agent.ledger import file

    worked = file.ledger_path(settings.agent.data_dir).exists()
    alone = any(source.path is not None and source.same_site_as is None for source in settings.post_sources)
    yield from port_findings(settings)
    yield Finding(
        about="door",
        level="fail" if worked and alone else "warn",
        code="agent-not-running",
        found=f"no agent answers at {settings.agent.data_dir}: what is posted is not taken",
        do="start it: systemctl start rewards-agent; if it runs and does not answer, restart it",
    )


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


def _codes(answers: Iterable[Mapping[str, Any]]) -> str:
    counts: Counter[int] = Counter()
    for one in answers:
        counts[one["status"]] += one["count"]
    return ", ".join(f"{status} {counted(count, 'time')}" for status, count in sorted(counts.items()))


def _source(name: str, answers: Sequence[Mapping[str, Any]], refused: Mapping[str, int]) -> Iterator[Finding]:
    about = f"source {name}"
    told = f"its posts were answered since the start: {_codes(answers)}"
    yield from (_stopped(about, one) for one in answers if one.get("result") in _BY_RESULT)
    wrong = [one for one in answers if one["status"] != _KEPT and one.get("result") not in _BY_RESULT]
    if wrong:
        worst = max(wrong, key=lambda one: int(one["count"]))["status"]
        do = _BY_STATUS.get(worst, "see the reasons: rewards-agent status")
        yield Finding(about=about, level="warn", code="posts-refused", found=told, do=do)
    elif answers:
        yield Finding(about=about, level="ok", found=told)
    elif not refused:
        yield Finding(about=about, level="ok", found="nothing was posted since the agent started, or it does not run")
    if refused:
        yield Finding(
            about=about,
            level="warn",
            code="posts-refused",
            found=f"{counted(sum(refused.values()), 'post was', 'posts were')} refused within a day: {named(refused)}",
            do=_BY_STATUS[400],
        )


def _stopped(about: str, answer: Mapping[str, Any]) -> Finding:
    """Posts that were not let in: by whom, or with what."""
    posts = counted(answer["count"], "post")
    if answer["result"] == "address":
        found = f"{posts} came from where allow_ips lets nobody in, the last from {answer['from']}"
    else:
        found = f"{posts} showed no credential that fits"
    return Finding(
        about=about,
        level="warn",
        code="posts-address" if answer["result"] == "address" else "posts-credential",
        found=f"{found} (answered {answer['status']})",
        do=_BY_RESULT[answer["result"]],
    )


def _refused(settings: Settings, name: str) -> dict[str, int]:
    """Reason → how many posts of a source were refused for it within a day."""
    from agent.collectors.inbox.store import FILE_NAME
    from agent.ledger import file

    path = settings.agent.data_dir / FILE_NAME
    if not path.exists():
        return {}
    sql = "SELECT reason, count(*) FROM refused WHERE source = ? AND received_at > ? GROUP BY reason"
    try:
        with contextlib.closing(sqlite3.connect(file.read_only(path), uri=True)) as connection:
            return dict(connection.execute(sql, (name, int(time.time()) - REFUSED_S)).fetchall())
    except sqlite3.Error:
        return {}  # the ledger's look tells what is wrong with the directory
