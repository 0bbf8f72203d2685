"""The catalogue: our key, whether it answers, whether it knows us, and whether its history is ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding
from agent.errors import ConfigError, IntegrityError, RewardsError, TransientError

if TYPE_CHECKING:
    import aiosqlite

    from agent.config.settings import Settings
    from agent.ledger.delivery import Identity
    from agent.outbox.client import Client

ABOUT = "catalogue"
ANSWER_S_MAX = 10.0
CLOCK_TOLD_S = 120
_NOBODY = "not-enrolled"
"""Asked under this name any catalogue refuses, which shows that one is there."""


async def catalogue_findings(settings: Settings) -> list[Finding]:
    """What stands between the ledger and the catalogue."""
    from agent.clock import SystemClock
    from agent.wiring import client_of

    clock = SystemClock()
    client = client_of(settings, clock)
    if client is None:
        return [Finding(about=ABOUT, level="ok", found="none configured: entries stay here until there is one")]
    async with client:
        try:
            key = client.key()
        except RewardsError as exc:
            return [Finding.of(ABOUT, exc)]
        findings = [Finding(about=ABOUT, level="ok", found=f"the signing key {key.fingerprint} can be used")]
        try:
            findings.extend(_kept(settings))
        except RewardsError as exc:
            findings.append(Finding.of(ABOUT, exc))
        try:
            findings.append(await _there(settings, client, clock.now()))
        except RewardsError as exc:
            findings.append(Finding.of(ABOUT, exc))
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
            found="this campus has no recovery key: if the disk is lost, nobody can tell who the pseudonyms are",
            do="make one and print it: rewards-agent key recovery",
        )
    elif file.ledger_path(settings.agent.data_dir).exists():
        with file.reading(settings.agent.data_dir) as connection:
            total, left = persons.waiting(connection, lock.fingerprint)
        told = f"{left} of {total} persons are not sealed at the catalogue yet: they are before the next delivery"
        whole = f"all {total} persons are sealed at the catalogue" if total else "there are no persons yet"
        yield Finding(about=ABOUT, level="ok", found=told if left else whole)


async def _there(settings: Settings, client: Client, now: int) -> Finding:
    import aiosqlite

    from agent.ledger import delivery
    from agent.ledger.file import ledger_path

    path = ledger_path(settings.agent.data_dir)
    if path.exists():
        async with aiosqlite.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True) as connection:
            who = await delivery.identity(connection)
            if who is not None:
                return await _agreed(client, connection, who, now)
    await client.get_stand(campus=settings.agent.campus, agent=_NOBODY, limit_s=ANSWER_S_MAX)
    return Finding(
        about=ABOUT,
        level="warn",
        found="it answers, and this agent is not enrolled: entries wait here",
        do="get a token from the catalogue's operator, then: rewards-agent enrol TOKEN",
    )


async def _agreed(client: Client, connection: aiosqlite.Connection, who: Identity, now: int) -> Finding:
    from agent.ledger import delivery
    from agent.outbox import judge

    answer = await client.get_stand(campus=who.campus, agent=who.agent, limit_s=ANSWER_S_MAX)
    meant = judge.stand_answer(answer, who, now=now)
    if isinstance(meant, judge.Failed):
        if meant.forged:
            raise IntegrityError(
                meant.told, hint="does [catalogue] url lead to the catalogue this agent enrolled with?"
            )
        raise (ConfigError if answer.status in {401, 403} else TransientError)(meant.told)
    stand = meant.stand
    ahead = now - stand.at if stand.at else 0
    if abs(ahead) >= CLOCK_TOLD_S:
        raise TransientError(
            f"this machine's clock is {ahead} s ahead of the catalogue's",
            hint="compare it with a time server; beyond 300 s nothing is taken",
        )
    newest = await delivery.newest_seq(connection)
    wrong = judge.compare(stand, who, newest_seq=newest, our_head=await delivery.head_at(connection, stand.seq))
    if wrong:
        raise IntegrityError(
            wrong, hint="nothing is delivered; ask its operator which history is true, restore the other"
        )
    return Finding(
        about=ABOUT,
        level="ok",
        found=f"it answers, knows this agent as {who.agent}, and agrees up to entry {stand.seq} of {newest}",
    )
