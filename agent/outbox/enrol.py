"""Becoming known to a catalogue, once, with a token; and changing the key later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aiosqlite

from agent.clock import Clock
from agent.errors import ConfigError, IntegrityError, InvalidInputError
from agent.ledger import delivery, file
from agent.ledger.delivery import Identity
from agent.outbox import judge, succession
from agent.outbox.client import Answer, Client
from agent.outbox.key_file import load_key, new_key
from agent.outbox.recovery.beginning import Beginning, Begun
from agent.outbox.writes import Runs
from wire import enrolment, keys, signing
from wire.canonical import MalformedError
from wire.enrolment import EnrolAnswer, EnrolRequest, Rotation, Token
from wire.keys import Key
from wire.signing import SignatureError

_KEPT = (delivery.CAMPUS, delivery.AGENT, delivery.AGENT_KEY, delivery.EPOCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """As what an agent wants to be known, and where."""

    campus: str
    environment: str
    url: str


async def enrol(
    token_text: str,
    wish: Wish,
    *,
    client: Client,
    writer: Runs,
    data_dir: Path,
    clock: Clock,
    forget: Callable[[], None] = lambda: None,
) -> tuple[EnrolAnswer, Begun]:
    """Bind this agent's key to its campus and pin the catalogue's key, which the token names; the ledger keeps both.

    A key in place of a lost one begins the agent's next epoch (`recovery.beginning`). Whoever remembers the epoch must
    ``forget`` it. Broken off anywhere, the same token finishes it.

    Raises:
        InvalidInputError: this is not a token.
        ConfigError: the catalogue refuses it, or this ledger was already delivered under another name.
        TransientError: the catalogue cannot be reached.
        IntegrityError: what answers is not the catalogue that the token names, or its history is not this ledger's.
    """
    enrolled = await introduce(token_text, client=client, campus=wish.campus, environment=wish.environment, clock=clock)
    mine = client.key().fingerprint
    chain = await succession.chain(client, keys.fingerprint(enrolled.catalogue_public))
    async with file.connect_for_reading(data_dir) as conn:
        kept = await delivery.settings(conn, _KEPT)
        _need_one_name(kept, (await delivery.reader(conn)).acked_seq, enrolled)
        epoch = int(kept.get(delivery.EPOCH, "1"))
        begun = Begun(epoch=epoch)
        another_key = enrolled.epoch > 1 and kept.get(delivery.AGENT_KEY) != mine
        if another_key or enrolled.epoch > epoch:
            who = Identity(
                campus=enrolled.campus, agent=enrolled.agent, epoch=epoch, catalogue_public=enrolled.catalogue_public
            )
            begins = Beginning(client=client, writer=writer, clock=clock, conn=conn)
            begun = await begins.begin(who, enrolled.epoch)
    await writer.run(_remember(enrolled, chain, wish.url, mine, begun.epoch, forget))
    return enrolled, begun


async def introduce(token_text: str, *, client: Client, campus: str, environment: str, clock: Clock) -> EnrolAnswer:
    """As `enrol`, and nothing is kept here: for a machine whose ledger is lost."""
    try:
        token = Token.parse(token_text)
    except MalformedError as exc:
        raise InvalidInputError(
            str(exc), hint="copy the whole line that rewards-catalogue tenant add printed"
        ) from None
    key = client.key()
    body = EnrolRequest(campus=campus, environment=environment, secret=token.secret, public=key.public).encode()
    answer = await client.post_signed("/v1/enrol", body, key=key, key_id=key.fingerprint, tag=signing.ENROL_TAG)
    judge.need_ok(answer, clock.now())
    return await _proven(client, answer, token, campus, clock)


async def rotate(*, client: Client, key_file: Path, who: Identity, clock: Clock) -> Key:
    """Replace the signing key: the new one is on disk before the catalogue hears of it, and takes over once it agreed.

    An attempt that broke off anywhere is finished by running this again.

    Raises:
        ConfigError: the catalogue refuses, or a key file cannot be used.
        TransientError: the catalogue cannot be reached; the old key stays.
        IntegrityError: the answer is not the catalogue's.
    """
    who = await succession.followed(client, who)
    waiting = key_file.with_name(key_file.name + ".next")
    old = load_key(key_file)
    new = load_key(waiting) if waiting.exists() else new_key(waiting)
    body = Rotation.make(who.campus, who.agent, new).encode()
    key_id = enrolment.agent_key_id(who.campus, who.agent, old.fingerprint)
    answer = await client.post_signed("/v1/agents/key", body, key=old, key_id=key_id, tag=signing.ROTATE_TAG)
    judge.need_ok(answer, clock.now())
    meant = judge.stand_answer(answer, who, now=clock.now())
    if isinstance(meant, judge.Failed):
        raise IntegrityError(meant.told, hint="the old key stays; look at what stands between us and the catalogue")
    waiting.replace(key_file)
    keys.sync_directory(key_file.parent)
    return new


async def _proven(client: Client, answer: Answer, token: Token, campus: str, clock: Clock) -> EnrolAnswer:
    hint = "somebody else answers at [catalogue] url: compare it with what the operator gave you"
    try:
        enrolled = EnrolAnswer.parse(answer.body)
        named = token.catalogue_fingerprint
        same = keys.fingerprint(enrolled.catalogue_public) == named
        # A token from before the catalogue's key was rotated names the old one: the chain leads on.
        if not same and (await succession.chain(client, named))[-1:] != (enrolled.catalogue_public,):
            raise IntegrityError("the catalogue that answered is not the one this token is from", hint=hint)
        public = enrolled.catalogue_public
        signing.verify_stand(answer.signed(bound=True), answer.body, public=public, now=clock.now())
    except (MalformedError, SignatureError) as exc:
        raise IntegrityError(f"the answer is not the catalogue's: {exc}", hint=hint) from None
    if enrolled.campus != campus:
        raise IntegrityError(f"the catalogue enrolled {enrolled.campus}, not {campus}", hint=hint)
    return enrolled


def _need_one_name(kept: Mapping[str, str], acked_seq: int, enrolled: EnrolAnswer) -> None:
    """See that what was delivered under a name stays with it.

    Raises:
        ConfigError: this ledger was delivered under another one.
    """
    name = kept.get(delivery.CAMPUS), kept.get(delivery.AGENT)
    if acked_seq and name != (enrolled.campus, enrolled.agent):
        raise ConfigError(
            f"this ledger was delivered as {name[1]} of {name[0]}; as {enrolled.agent} it would be paid again",
            hint=f"ask for a token for it: rewards-catalogue tenant token {name[0]} --agent {name[1]}",
        )


def _remember(
    enrolled: EnrolAnswer, chain: Sequence[bytes], url: str, fingerprint: str, epoch: int, forget: Callable[[], None]
) -> delivery.Unit:
    values = {
        delivery.CAMPUS: enrolled.campus,
        delivery.AGENT: enrolled.agent,
        delivery.CATALOGUE_URL: url,
        delivery.AGENT_KEY: fingerprint,
        delivery.EPOCH: str(epoch),
    }

    async def unit(conn: aiosqlite.Connection) -> None:
        _need_one_name(await delivery.settings(conn, _KEPT), (await delivery.reader(conn)).acked_seq, enrolled)
        await delivery.keep_keys(chain or (enrolled.catalogue_public,))(conn)
        await delivery.keep_settings(values)(conn)
        await delivery.drop_sealed()(conn)
        await delivery.forget_failure()(conn)
        forget()

    return unit
