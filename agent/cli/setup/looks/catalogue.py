"""The catalogue: our key, whether it answers, whether it knows us, and whether its history is ours."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from agent.cli.setup.looks.edge.undelivered import undelivered_findings
from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError, IntegrityError, RewardsError, TransientError
from machine.words import counted

if TYPE_CHECKING:
    import aiosqlite

    from agent.config.settings import Settings
    from agent.ledger.delivery import Identity
    from agent.outbox import judge
    from agent.outbox.client import Client

ABOUT = "catalogue"
ANSWER_S_MAX = 10.0
CLOCK_TOLD_S = 120
_REFUSALS: Mapping[str, tuple[str, str]] = {
    "unknown-key": ("agent-unknown", "enrol with a token for this agent: rewards-catalogue tenant token CAMPUS"),
    "revoked": ("agent-revoked", "make a new key and enrol it with a token for this agent"),
    "suspended": ("campus-suspended", "ask its operator: rewards-catalogue tenant list says so there"),
    "closed": ("campus-closed", "its operator ended it there for good: take [catalogue] out of config.toml, or ask"),
    "signature": ("key-refused", "compare both machines' clocks; does a proxy change what is sent?"),
}
"""What the catalogue's refusals are called here, and what cures them."""
_NOBODY = "not-enrolled"
"""Asked under this name any catalogue refuses, which shows that one is there."""


async def catalogue_findings(settings: Settings) -> list[Finding]:
    """What stands between the ledger and the catalogue."""
    from agent.clock import SystemClock
    from agent.wiring.enrolling import client_of

    clock = SystemClock()
    client = client_of(settings, clock)
    if client is None:
        return [Finding(about=ABOUT, level="ok", found="none configured: entries stay here until there is one")]
    async with client:
        try:
            key = client.key()
        except RewardsError as exc:
            return [Finding.of(ABOUT, exc, "signing-key-unusable")]
        findings = [Finding(about=ABOUT, level="ok", found=f"the signing key {key.fingerprint} can be used")]
        try:
            findings.extend(_kept(settings))
        except RewardsError as exc:
            findings.append(Finding.of(ABOUT, exc, "recovery-key-unusable"))
        findings.extend(_linked(settings))
        findings.append(_leaving(settings))
        findings.extend(undelivered_findings(settings))
        try:
            findings.extend(await _there(settings, client, clock.now()))
        except RewardsError as exc:
            findings.append(Finding.of(ABOUT, exc, "catalogue-unreachable"))
    return findings


def _kept(settings: Settings) -> Iterator[Finding]:
    """Whether a lost disk would lose somebody."""
    from agent.ledger import file
    from agent.ledger.recovery import persons
    from agent.outbox.recovery.box import read_lock

    lock = read_lock(settings.recovery_file)
    if lock is None:
        yield Finding(
            about=ABOUT,
            level="warn",
            code="recovery-key-missing",
            found="this campus has no recovery key: if the disk is lost, nobody can tell who the pseudonyms are",
            do="make one and print it: rewards-agent key recovery",
        )
    if not file.ledger_path(settings.agent.data_dir).exists():
        return
    with file.reading(settings.agent.data_dir) as connection:
        total, left = persons.waiting(connection, "" if lock is None else lock.fingerprint)
        erased = persons.unforgotten(connection)
    if erased:
        told = f"the catalogue is still to forget {erased} of the erased: it is told before the next delivery"
        yield Finding(about=ABOUT, level="ok", found=told)
    if lock is not None:
        told = f"{left} of {total} persons are not sealed at the catalogue yet: they are before the next delivery"
        whole = f"all {total} persons are sealed at the catalogue" if total else "there are no persons yet"
        yield Finding(about=ABOUT, level="ok", found=told if left else whole)


def _linked(settings: Settings) -> Iterator[Finding]:
    """Whether the campus's agents compare people under one key, as they were told last."""
    from agent.ledger import file
    from agent.ledger.centre import elsewhere

    if not settings.identity.link_agents or not file.ledger_path(settings.agent.data_dir).exists():
        return
    try:
        with file.reading(settings.agent.data_dir) as connection:
            others = elsewhere.other_keys(connection)
    except RewardsError:
        return  # what is wrong with the ledger is said where it is looked at
    if others:
        yield Finding(
            about=ABOUT,
            level="warn",
            code="link-keys-differ",
            found=f"{', '.join(others)} compares people under another link key: nobody is linked with its learners",
            do="carry one key to all agents of the campus: rewards-agent key link",
        )
    else:
        yield Finding(about=ABOUT, level="ok", found="people are compared with those of the campus's other agents")


def _leaving(settings: Settings) -> Finding:
    """What of learners leaves the campus, and how much of it did."""
    from agent.ledger import file
    from agent.ledger.centre import called

    told = settings.names_told
    named = waiting = 0
    if file.ledger_path(settings.agent.data_dir).exists():
        # What is wrong with the ledger is said where it is looked at.
        with contextlib.suppress(RewardsError), file.reading(settings.agent.data_dir) as connection:
            named, waiting, _ = called.counts(connection)
    if not told and named:
        found = f"only pseudonyms leave; what {counted(named, 'learner')} are called is still to be taken back there"
        return Finding(about=ABOUT, level="ok", found=found)
    if not told:
        return Finding(about=ABOUT, level="ok", found="of learners only pseudonyms leave the campus")
    kind = {"username": "usernames", "email": "e-mail addresses"}[told]
    found = f"{kind} leave the campus, beside entries under pseudonyms: of {counted(named, 'learner')} so far"
    return Finding(about=ABOUT, level="ok", found=f"{found}, {waiting} to be looked up or told" if waiting else found)


async def _there(settings: Settings, client: Client, now: int) -> list[Finding]:

    from agent.ledger import delivery, file
    from agent.outbox import judge

    if file.ledger_path(settings.agent.data_dir).exists():
        file.open_for_reading(settings.agent.data_dir).close()  # says what is wrong with it, where something is
        async with file.connect_for_reading(settings.agent.data_dir) as connection:
            who = await delivery.identity(connection)
            if who is not None:
                return await _agreed(client, connection, who, now)
    answer = await client.get_stand(campus=settings.agent.campus, agent=_NOBODY, limit_s=ANSWER_S_MAX)
    refused = judge.refusal(answer, now)
    if not refused.code:
        raise TransientError(refused.told, hint=judge.BETWEEN, fault="catalogue-hidden")
    return [
        Finding(
            about=ABOUT,
            level="warn",
            code="not-enrolled",
            found="it answers, and this agent is not enrolled: entries wait here",
            do="get a token from the catalogue's operator, then: rewards-agent enrol TOKEN",
        )
    ]


async def _agreed(client: Client, connection: aiosqlite.Connection, who: Identity, now: int) -> list[Finding]:
    from agent.ledger import delivery
    from agent.outbox import judge

    answer = await client.get_stand(campus=who.campus, agent=who.agent, limit_s=ANSWER_S_MAX)
    meant = judge.stand_answer(answer, who, now=now)
    if isinstance(meant, judge.Failed):
        if meant.forged:
            raise IntegrityError(
                meant.told,
                hint="does [catalogue] url lead to the catalogue this agent enrolled with, past every proxy?",
                fault="catalogue-forged",
            )
        raise await _refused(client, connection, meant, edit=answer.status in {401, 403})
    stand = meant.stand
    ahead = now - stand.at if stand.at else 0
    if abs(ahead) >= CLOCK_TOLD_S:
        raise TransientError(
            f"this machine's clock is {ahead} s ahead of the catalogue's",
            hint="compare it with a time server; beyond 300 s nothing is taken",
            fault="clock-skew",
        )
    newest = await delivery.newest_seq(connection)
    wrong = judge.compare(stand, who, newest_seq=newest, our_head=await delivery.head_at(connection, stand.seq))
    if wrong:
        raise IntegrityError(
            wrong,
            hint="nothing is delivered; ask its operator which history is true, restore the other",
            fault="ledger-behind" if stand.epoch > who.epoch or stand.seq > newest else "histories-differ",
        )
    known = f"it answers, knows this agent as {who.agent}, and agrees up to entry {stand.seq} of {newest}"
    told = [Finding(about=ABOUT, level="ok", found=known)]
    acked = (await delivery.reader(connection)).acked_seq
    if stand.seq < acked:
        told.append(
            Finding(
                about=ABOUT,
                level="warn",
                code="catalogue-behind",
                found=f"it acknowledged entries up to {acked} and has them up to {stand.seq} now: it was put back from"
                " an older copy",
                do="what it lacks is sent again by itself; at once: rewards-agent sync now",
            )
        )
    return told


async def _refused(
    client: Client, connection: aiosqlite.Connection, failed: judge.Failed, *, edit: bool
) -> RewardsError:
    """What a refusal means to this campus: another key than was enrolled, an agent nobody knows, or their trouble."""
    from agent.ledger import delivery
    from agent.outbox import judge

    if not failed.code:
        return TransientError(failed.told, hint=judge.BETWEEN, fault="catalogue-hidden")
    code, hint = _REFUSALS.get(failed.code, ("catalogue-refuses", "ask its operator, who sees why in its log"))
    enrolled = (await delivery.settings(connection, (delivery.AGENT_KEY,))).get(delivery.AGENT_KEY)
    if code == "agent-unknown" and enrolled is not None and enrolled != client.key().fingerprint:
        code = "key-mismatch"
        hint = f"put back the key that was enrolled ({enrolled}), or enrol again with a token for this agent"
    return (ConfigError if edit else TransientError)(failed.told, hint=hint, fault=code)
