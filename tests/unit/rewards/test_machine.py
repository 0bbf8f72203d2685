"""The machine of redemptions, the partner's answers, the circuit and the vault."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest

from catalogue.errors import ConfigError, IntegrityError
from catalogue.partners import breaker
from catalogue.partners.breaker import Circuit
from catalogue.partners.http import meant
from catalogue.partners.orders import Declined, Issued, Lost, NotSent
from catalogue.redemption import states, vault
from catalogue.redemption.states import GIVEN_BACK, TABLE, UNDER_WAY, WAITING, Event, ImpossibleError, State
from catalogue.redemption.vault import Vault
from wire.money import qr

SAFE = Vault(bytes(32))


def reachable(start: State) -> set[State]:
    found, queue = {start}, deque([start])
    while queue:
        state = queue.popleft()
        for (before, _), after in TABLE.items():
            if before is state and after not in found:
                found.add(after)
                queue.append(after)
    return found


def test_every_state_is_reached_and_each_ends_with_a_voucher_or_the_points_back() -> None:
    assert reachable(State.reserved) == set(State)
    for state in State:
        assert reachable(state) & {State.fulfilled, *GIVEN_BACK}
    for state in GIVEN_BACK:
        assert reachable(state) == {state}, "points come back once"


def test_what_may_have_arrived_is_never_given_back_unless_the_partner_says_so() -> None:
    in_doubt = {State.sending, State.doubtful, State.resending, State.unknown}
    back = {event for (before, event), after in TABLE.items() if before in in_doubt and after in GIVEN_BACK}
    assert back == {Event.declined}


def test_what_nobody_may_ask_twice_is_never_sent_again() -> None:
    assert reachable(State.unknown) & {*WAITING, *UNDER_WAY} == set()


def test_what_is_not_in_the_table_is_impossible() -> None:
    with pytest.raises(ImpossibleError, match="refund is not possible: it is reserved"):
        states.after(State.reserved, Event.refund)


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, b'{"status":"issued","code":"A1"}', Issued("A1", None)),
        (201, b'{"status":"issued","expires_at":"2027-01-31T00:00:00Z"}', Issued("", 1801353600)),
        (200, b'{"status":"issued","code":"A1","expires_at":"soon"}', Issued("A1", None)),
        (200, b'{"status":"issued","code":"A1","expires_at":9223372036854775808}', Issued("A1", None)),
        (200, b'{"status":"issued","code":"A1","expires_at":1801353600000}', Issued("A1", None)),
        (409, b'{"status":"declined","reason":"sold out"}', Declined("sold out")),
        (409, b'{"status":"declined","reason":"sold\\u0000out"}', Declined("sold\ufffdout")),
        (200, b'{"status":"declined"}', Declined("no reason given")),
        (429, b"", NotSent("it takes no more for now (429)", 7)),
    ],
)
def test_an_answer_that_says_what_it_means_is_believed(
    status: int, body: bytes, outcome: Issued | Declined | NotSent
) -> None:
    assert meant(status, {"Retry-After": "7"}, body) == outcome


def test_a_partner_that_wants_rest_for_longer_than_any_number_is_asked_again_within_a_day() -> None:
    rest = NotSent("it takes no more for now (429)", 86_400)
    assert [meant(429, {"Retry-After": "9" * digits}, b"") for digits in (18, 5_000)] == [rest, rest]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b"<html>"),
        (403, b"{}"),
        (500, b'{"status":"issued","code":"A1"}'),
        (503, b""),
        (200, b""),
        (200, b"[]"),
        (200, b'{"status":"pending"}'),
        (200, b'{"status":"issued","code":5}'),
        (302, b'{"status":"issued"}'),
    ],
)
def test_all_else_is_nothing_certain(status: int, body: bytes) -> None:
    assert isinstance(meant(status, {}, body), Lost)


def test_a_partner_that_fails_again_and_again_is_left_alone_for_longer_each_time() -> None:
    circuit = Circuit()
    rests = []
    for _ in range(breaker.FAILURES_MAX + 9):
        circuit = breaker.failed(circuit, 1000)
        rests.append(circuit.open_until)
    assert rests[: breaker.FAILURES_MAX - 1] == [0] * (breaker.FAILURES_MAX - 1)
    assert rests[breaker.FAILURES_MAX - 1 :] == [1030, 1060, 1120, 1240, 1480, 1960, 2920, 4600, 4600, 4600]


def test_after_its_rest_one_order_alone_goes_to_see_how_it_is() -> None:
    rested = Circuit(breaker.FAILURES_MAX, 1000)
    assert breaker.probed(rested, 1000, 70) == Circuit(breaker.FAILURES_MAX, 1070)
    assert breaker.probed(Circuit(1, 0), 1000, 70) == Circuit(1, 0)


def test_the_wait_doubles_up_to_an_hour_and_hears_what_the_partner_asks() -> None:
    assert [breaker.retry_at(attempts, 0, 0.999) for attempts in (1, 2, 3)] == [4, 9, 19]
    assert breaker.retry_at(10**6, 0, 0.0) == breaker.RETRY_S_MAX // 2
    assert breaker.retry_at(1, 0, 0.0, 600) == 600


def test_a_token_is_the_same_each_time_and_its_digest_says_nothing() -> None:
    token = SAFE.token("uni", "r1")
    assert token == SAFE.token("uni", "r1")
    assert len({token, SAFE.token("uni", "r2"), SAFE.token("other", "r1"), Vault(b"\1" * 32).token("uni", "r1")}) == 4
    assert token.startswith("uni.")
    assert token.encode() not in vault.digest(token)


def test_a_voucher_opens_for_what_it_was_sealed_for_and_with_the_same_secret_only() -> None:
    sealed = SAFE.seal("CODE-1", "r1")
    assert b"CODE-1" not in sealed
    assert SAFE.open(sealed, "r1") == "CODE-1"
    for safe, about in ((SAFE, "r2"), (Vault(b"\1" * 32), "r1")):
        with pytest.raises(IntegrityError, match="cannot be opened"):
            safe.open(sealed, about)


def test_the_vaults_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "vouchers.key"
    with pytest.raises(ConfigError, match="there is no"):
        Vault.load(path)
    vault.create(path)
    first = path.read_text()
    vault.create(path)
    assert path.read_text() == first
    assert Vault.load(path).token("uni", "r1")
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="others may read"):
        Vault.load(path)
    path.chmod(0o600)
    path.write_text("12\n")
    with pytest.raises(ConfigError, match="no secret of 32 bytes"):
        Vault.load(path)


def test_a_voucher_is_drawn_as_a_scalable_qr_code() -> None:
    drawn = qr.svg(SAFE.token("uni", "r1"))
    assert drawn.startswith(b"<?xml")
    assert b"<svg" in drawn
    assert b"><title>QR code of a voucher</title>" in drawn, "what a screen reader calls it"
    assert drawn == qr.svg(SAFE.token("uni", "r1"))
