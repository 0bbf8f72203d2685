"""Whose address a post comes from, behind proxies that we trust and only those."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_DRESSED = re.compile(r"(?:\[([^\[\]]+)\]|([0-9.]+))(?::[0-9]{1,5})?")
"""In brackets, with a port, or both; an IPv6 address without brackets is neither."""
Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from their texts, as the settings have checked them."""
    return tuple(ip_network(text) for text in texts)


def within(address: Address | None, allowed: Iterable[Network]) -> bool:
    """Whether an address lies in one of these networks."""
    return address is not None and any(address in network for network in allowed)


def read_address(text: str | None) -> Address | None:
    """An address as a peer or a header gives it, also an IPv4 one dressed as IPv6; None for anything else.

    Some proxies add the port that their client spoke from: `203.0.113.1:5678`, `[2001:db8::1]:5678`. It says nothing.
    """
    written = (text or "").strip()
    dressed = _DRESSED.fullmatch(written)
    try:
        address = ip_address(dressed[1] or dressed[2] if dressed else written)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(1024)
def _peer(text: str | None) -> Address | None:
    """The address of who speaks to us, who says much: nobody can write it, so what is remembered stays small."""
    return read_address(text)


def client_of(peer: str | None, forwarded: Iterable[str], proxies: Iterable[Network]) -> Address | None:
    """Who posted: the peer, or what our own proxies say.

    ``forwarded`` are the values of X-Forwarded-For. Each proxy appends who spoke to it, so the list is read from its
    end, and the first address that is no proxy of ours is the client: what stands before it anybody can write. None
    where it cannot be told.
    """
    trusted = tuple(proxies)
    client = _peer(peer)
    if not trusted:
        return client
    said = [part for value in forwarded for part in value.split(",")]
    while within(client, trusted) and said:
        client = read_address(said.pop())
    return client
