"""Who is let in, and whose address counts behind proxies."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from ipaddress import ip_address

import pytest

from agent.collectors.door.addresses import client_of, networks, read_address
from agent.collectors.door.credentials import Credentials
from agent.collectors.door.rate import Rate
from agent.config.secrets import Secret
from agent.model import Evidence

PROXIES = networks(["127.0.0.0/8", "10.0.0.5/32"])


def signed(body: bytes, headers: Mapping[str, str], secret: bytes) -> bool:
    return hmac.compare_digest(headers.get("x-sign", ""), hmac.new(secret, body, hashlib.sha256).hexdigest())


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", ["203.0.113.1"], "192.0.2.9"),
        ("127.0.0.1", ["203.0.113.1"], "203.0.113.1"),
        ("127.0.0.1", ["1.2.3.4, 203.0.113.1, 10.0.0.5"], "203.0.113.1"),
        ("127.0.0.1", ["1.2.3.4", "203.0.113.1"], "203.0.113.1"),
        ("127.0.0.1", [], "127.0.0.1"),
        ("::ffff:192.0.2.9", [], "192.0.2.9"),
        ("127.0.0.1", ["203.0.113.1:5678"], "203.0.113.1"),
        ("127.0.0.1", ["1.2.3.4:1, 203.0.113.1:65535, 10.0.0.5:443"], "203.0.113.1"),
        ("127.0.0.1", ["[2001:db8::1]:5678"], "2001:db8::1"),
        ("127.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("127.0.0.1", ["2001:db8::1:5678"], "2001:db8::1:5678"),
        ("127.0.0.1", ["[::ffff:203.0.113.1]:80"], "203.0.113.1"),
        ("127.0.0.1", ["rubbish"], None),
        ("127.0.0.1", ["203.0.113.1:"], None),
        ("127.0.0.1", ["203.0.113.1:http"], None),
        ("127.0.0.1", ["[2001:db8::1"], None),
        (None, ["203.0.113.1"], None),
    ],
)
def test_the_client_is_the_first_address_from_the_end_that_is_no_proxy_of_ours(
    peer: str | None, forwarded: list[str], client: str | None
) -> None:
    assert client_of(peer, forwarded, PROXIES) == (ip_address(client) if client else None)


def test_any_of_several_tokens_lets_in_and_nothing_else_does() -> None:
    door = Credentials(tokens=(Secret("old"), Secret("new")))
    for shown in ("Bearer old", "bearer new", "Bearer  new "):
        assert door.before_the_body({"authorization": shown}, None) is None
    for shown in ("Bearer", "Bearer ", "old", "Basic old", "Bearer older", "Bearer \udcff", ""):
        assert door.before_the_body({"authorization": shown}, None) == "credential"
    assert door.before_the_body({}, None) == "credential"
    assert door.evidence({}, b"") is Evidence.bearer_token


def test_an_allowed_address_alone_is_worth_little_and_is_asked_for_besides_a_token() -> None:
    alone = Credentials(allowed=networks(["10.0.0.0/8"]))
    assert alone.before_the_body({}, read_address("10.1.2.3")) is None
    assert alone.before_the_body({}, read_address("192.0.2.1")) == "address"
    assert alone.before_the_body({}, None) == "address"
    assert alone.evidence({}, b"") is Evidence.address
    both = Credentials(allowed=networks(["10.0.0.0/8"]), tokens=(Secret("t"),))
    assert both.before_the_body({}, read_address("10.1.2.3")) == "credential"
    assert both.before_the_body({"authorization": "Bearer t"}, read_address("192.0.2.1")) == "address"
    assert Credentials().evidence({}, b"") is Evidence.nothing


def test_a_signature_by_any_of_the_secrets_counts_and_another_turns_away() -> None:
    door = Credentials(secrets=(Secret("old"), Secret("new")), signature=signed)
    header = {"x-sign": hmac.new(b"new", b"body", hashlib.sha256).hexdigest()}
    assert door.evidence(header, b"body") is Evidence.signature
    assert door.evidence(header, b"Body") is None
    assert door.evidence({}, b"body") is None


def test_a_bucket_gives_twice_its_rate_at_once_and_then_its_rate() -> None:
    rate = Rate(5, now=0.0)
    assert [rate.take(0.0) for _ in range(11)] == [0] * 10 + [1]
    assert rate.take(0.2) == 0
    assert rate.take(0.2) == 1
    assert [rate.take(100.0) for _ in range(11)] == [0] * 10 + [1]
