"""Asks the catalogue for what it keeps of this agent. Every answer is proven before a byte of it counts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import orjson

from agent.clock import Clock
from agent.errors import IntegrityError
from agent.ledger.delivery import Identity, KeptReceipt
from agent.outbox import judge
from agent.outbox.client import Answer, Client
from wire import batch, chain, enrolment, keeping, receipt, signing
from wire.batch import Batch
from wire.canonical import MalformedError
from wire.keeping import Page, Persons, Sealed, Sums, Takeover
from wire.receipt import Stand
from wire.signing import Headers, Response, SignatureError

_HINT = "does [catalogue] url lead to the catalogue that this agent enrolled with?"
_BROKEN = "the catalogue's operator must look at its books: rewards-catalogue verify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """One batch as it was delivered once, and its receipt."""

    batch: Batch
    kept: KeptReceipt


class Asking:
    """One agent's questions.

    All raise `TransientError` where the catalogue does not answer, and `ConfigError` where it refuses.
    """

    def __init__(self, client: Client, who: Identity, clock: Clock) -> None:
        self._client = client
        self._who = who
        self._clock = clock

    async def stand(self) -> Stand:
        """Where the catalogue stands.

        Raises:
            IntegrityError: the answer is not the catalogue's.
        """
        return self._stand(await self._client.get_stand(campus=self._who.campus, agent=self._who.agent))

    async def history(
        self, stand: Stand, *, epoch: int = 0, seq: int = 0, head: bytes = chain.GENESIS
    ) -> AsyncIterator[Delivered]:
        """Every batch up to ``stand``, in order: receipts are genuine, and the chain is whole from where it begins.

        That is the first entry, or the one after ``seq`` of ``epoch``, where the chain had ``head`` (32 bytes).

        Raises:
            IntegrityError: it is not; nothing after that is given.
        """
        while seq < stand.seq:
            found = await self._page(epoch, seq)
            header = found.batch.header
            if header.first_seq != seq + 1 or header.previous != head:
                raise IntegrityError(f"the catalogue's history has a gap after entry {seq}", hint=_BROKEN)
            epoch, seq, head = header.epoch, header.last_seq, header.head
            yield found
        if (seq, head) != (stand.seq, stand.head):
            raise IntegrityError(f"the catalogue's history does not end where it stands, at {stand.seq}", hint=_BROKEN)

    async def persons(self) -> AsyncIterator[Sealed]:
        """Every sealed person that is kept.

        Raises:
            IntegrityError: an answer is not the catalogue's.
        """
        after = keeping.FIRST
        while True:
            answer = await self._get(f"/v1/persons/{after}", receipt.ANSWER_BYTES_MAX)
            try:
                found = Persons.parse(answer.body).persons
            except MalformedError as exc:
                raise IntegrityError(f"the catalogue's list of persons cannot be read: {exc}", hint=_HINT) from None
            if not found:
                return
            for one in found:
                yield one
            after = found[-1].name

    async def sums(self) -> AsyncIterator[Sums]:
        """What the catalogue's stored bytes come to, some batches at a time, to the end.

        Raises:
            IntegrityError: an answer is not the catalogue's.
        """
        epoch, seq = 0, 0
        while True:
            answer = await self._get(f"/v1/sums/{epoch}/{seq}", keeping.MESSAGE_BYTES_MAX)
            try:
                found = Sums.parse(answer.body)
            except MalformedError as exc:
                raise IntegrityError(f"the catalogue's sums cannot be read: {exc}", hint=_HINT) from None
            if not found.heads:
                return
            yield found
            epoch, seq = found.epoch, max(found.heads)

    async def batch_after(self, epoch: int, seq: int) -> Batch:
        """The batch that the catalogue has after an entry, as it stands there now: its receipt is not looked at.

        Raises:
            IntegrityError: the answer is not the catalogue's, or its bytes are no batch any more.
        """
        answer = await self._get(f"/v1/history/{epoch}/{seq}", keeping.HISTORY_BYTES_MAX)
        try:
            return batch.parse(Page.parse(answer.body).batch)
        except MalformedError as exc:
            raise IntegrityError(f"the batch after entry {seq} is no batch any more: {exc}", hint=_BROKEN) from None

    async def take_over(self, stand: Stand) -> Stand:
        """Begin the next epoch after ``stand``: what is of the one before is refused from now on, whoever sends it.

        Raises:
            IntegrityError: the answer is not the catalogue's.
        """
        who, key = self._who, self._client.key()
        wish = Takeover(campus=who.campus, agent=who.agent, epoch=stand.epoch + 1, seq=stand.seq, head=stand.head)
        key_id = enrolment.agent_key_id(who.campus, who.agent, key.fingerprint)
        answer = await self._client.post_signed(
            "/v1/agents/epoch", wish.encode(), key=key, key_id=key_id, tag=signing.TAKEOVER_TAG
        )
        return self._stand(answer)

    async def _page(self, epoch: int, seq: int) -> Delivered:
        answer = await self._get(f"/v1/history/{epoch}/{seq}", keeping.HISTORY_BYTES_MAX)
        try:
            page = Page.parse(answer.body)
            parsed = batch.parse(page.batch)
            kept = receipt.parse_receipt(page.receipt)
            lines = {"content-type": receipt.CONTENT_TYPE} | {
                name.lower(): value for name, value in page.signature.items()
            }
            signed = Response(status_code=200, headers=Headers(lines.items()))
            signing.verify_receipt(signed, page.receipt, public=judge.signer(self._who, lines), now=self._clock.now())
        except (MalformedError, SignatureError) as exc:
            raise IntegrityError(
                f"the batch after entry {seq} is not as it was received: {exc}", hint=_BROKEN
            ) from None
        header = parsed.header
        mine = (self._who.campus, self._who.agent) == (header.campus, header.agent)
        if not mine or (kept.digest, kept.head, kept.first_seq) != (parsed.digest, header.head, header.first_seq):
            raise IntegrityError(f"the receipt after entry {seq} is for another batch", hint=_BROKEN)
        told = KeptReceipt(receipt=kept, body=page.receipt, signature=orjson.dumps(lines).decode())
        return Delivered(batch=parsed, kept=told)

    async def _get(self, path: str, bytes_max: int) -> Answer:
        who = self._who
        answer = await self._client.get_signed(path, campus=who.campus, agent=who.agent, bytes_max=bytes_max)
        judge.need_ok(answer, self._clock.now())
        now = self._clock.now()
        try:
            signing.verify_stand(
                answer.signed(bound=True), answer.body, public=who.catalogue_public, now=now, tag=signing.KEPT_TAG
            )
        except SignatureError as exc:
            raise IntegrityError(f"an answer is not the catalogue's: {exc}", hint=_HINT) from None
        return answer

    def _stand(self, answer: Answer) -> Stand:
        judge.need_ok(answer, self._clock.now())
        meant = judge.stand_answer(answer, self._who, now=self._clock.now())
        if isinstance(meant, judge.Failed):
            raise IntegrityError(meant.told, hint=_HINT)
        return meant.stand
