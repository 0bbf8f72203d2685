"""The outbox's pure parts: backoff, sealing, and what a stand means."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from agent import retry
from agent.errors import IntegrityError
from agent.ledger.delivery import Identity, StoredEntry
from agent.ledger.recovery.marks import Marks
from agent.outbox import judge, seal
from tests.wire_builders import CAMPUS, NOW, an_entry, entries
from wire import batch, chain
from wire.money.terms import Terms
from wire.receipt import Stand

WHO = Identity(campus=CAMPUS, agent="agent-1", epoch=2, catalogue_public=bytes(32))


def stored(bodies: list[bytes], first: int = 1, previous: bytes = chain.GENESIS) -> list[StoredEntry]:
    rows = []
    for seq, body in enumerate(bodies, start=first):
        previous = chain.step(previous, body)
        rows.append(StoredEntry(seq=seq, body=body, hash=previous))
    return rows


def test_the_longest_wait_doubles_with_every_failure_up_to_the_cap() -> None:
    assert [retry.delay_s(attempts, 0.0) for attempts in (1, 2, 3, 4)] == [1, 2, 4, 8]
    assert retry.delay_s(1000, 0.0) == retry.CAP_S


def test_an_attempt_that_was_put_off_by_a_clock_that_ran_ahead_is_due() -> None:
    assert retry.left_s(NOW + 30, NOW) == 30
    assert retry.left_s(NOW, NOW + 30) == 0
    assert retry.left_s(NOW + retry.WAIT_S_MAX, NOW) == retry.WAIT_S_MAX
    assert retry.left_s(NOW + 86_400, NOW) == 0


def test_the_jitter_spreads_agents_over_the_whole_wait() -> None:
    assert retry.delay_s(5, 0.5) == 8
    assert 0 < retry.delay_s(5, 0.999) < 0.1


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("99999999999999", retry.RETRY_AFTER_MAX_S),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_its_forms_and_bounded(header: str | None, wanted: int | None) -> None:
    assert retry.retry_after_s(header, NOW) == wanted


def test_a_wish_to_wait_is_honoured_and_never_undercut() -> None:
    for random in (0.0, 0.5, 0.999):
        assert retry.next_try_at(NOW, 1, random, 60) >= NOW + 60
        assert retry.next_try_at(NOW, 1, random, None) >= NOW + 1
    assert retry.next_try_at(NOW, 30, 0.0, 60) <= NOW + 120


def test_a_sealed_batch_parses_to_the_entries_and_their_place_in_the_chain() -> None:
    rows = stored(entries(1, 5))
    sealed = seal.seal(
        WHO, rows[1].hash, rows[2:], marks=Marks(low_water={"moodle": 7}), terms=Terms(), environment="staging", now=NOW
    )
    parsed = batch.parse(sealed.body)
    assert (sealed.first_seq, sealed.last_seq, sealed.head, sealed.epoch) == (3, 5, rows[4].hash, 2)
    assert parsed.entries == tuple(entries(3, 5))
    assert (parsed.header.campus, parsed.header.environment, parsed.header.low_water) == (
        CAMPUS,
        "staging",
        {"moodle": 7},
    )
    assert (parsed.header.previous, parsed.header.head) == (rows[1].hash, rows[4].hash)


def test_a_batch_ends_at_its_limit_of_entries_and_of_bytes() -> None:
    def sealed(bodies: list[bytes]) -> tuple[int, int]:
        made = seal.seal(
            WHO,
            chain.GENESIS,
            seal.fitting(stored(bodies)),
            marks=Marks(),
            terms=Terms(),
            environment="production",
            now=NOW,
        )
        return made.last_seq, len(made.body)

    assert sealed(entries(1, 1200))[0] == seal.SEAL_ENTRIES_MAX
    last_seq, size = sealed(entries(1, 100, reason="r" * 30_000))
    assert 25 < last_seq < 31
    assert size < seal.SEAL_BYTES_MAX + 2000
    assert sealed([an_entry(1, reason="r" * 1_000_000), an_entry(2)])[0] == 1, "one entry always goes"


def test_a_broken_chain_is_never_sealed() -> None:
    rows = stored(entries(1, 5))
    rows[2] = dataclasses.replace(rows[2], body=an_entry(3, amount=1000))
    with pytest.raises(IntegrityError, match="between seq 1 and 5"):
        seal.seal(WHO, chain.GENESIS, rows, marks=Marks(), terms=Terms(), environment="production", now=NOW)
    missing = [*stored(entries(1, 5))[:2], *stored(entries(1, 5))[3:]]
    with pytest.raises(IntegrityError):
        seal.seal(WHO, chain.GENESIS, missing, marks=Marks(), terms=Terms(), environment="production", now=NOW)


@pytest.mark.parametrize(
    ("epoch", "seq", "head", "wrong"),
    [
        (2, 5, b"\x05" * 32, ""),
        (1, 5, b"\x05" * 32, ""),
        (3, 5, b"\x05" * 32, "epoch 3"),
        (2, 5, b"\x06" * 32, "another one"),
        (2, 11, b"\x05" * 32, "older copy"),
    ],
)
def test_a_stand_is_ours_only_where_epoch_length_and_hash_agree(epoch: int, seq: int, head: bytes, wrong: str) -> None:
    stand = Stand(campus=CAMPUS, agent="agent-1", epoch=epoch, seq=seq, head=head)
    said = judge.compare(stand, WHO, newest_seq=10, our_head=None if seq > 10 else b"\x05" * 32)
    assert (wrong in said) if wrong else said == ""
