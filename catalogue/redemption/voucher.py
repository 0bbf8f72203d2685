"""A redemption as its owner sees it: where it is, and the voucher, if there is one to show."""

from __future__ import annotations

from typing import Any

from catalogue.redemption.desk import Desk
from catalogue.redemption.records import Redemption
from catalogue.redemption.states import State

FIELDS = (
    "redemption",
    "key",
    "learner",
    "owner",
    "reward",
    "title",
    "currency",
    "amount",
    "handing",
    "partner",
    "state",
    "attempts",
    "reserved_at",
    "ended_at",
)


def public(one: Redemption) -> dict[str, Any]:
    """What may be listed: no voucher."""
    return {name: getattr(one, name) for name in FIELDS} | {"state": one.state.value}


def good_for(one: Redemption) -> dict[str, Any]:
    """What a till is told: not whose it is, nor what was paid for it."""
    return {
        "redemption": one.redemption,
        "reward": one.reward,
        "title": one.title,
        "expires_at": one.voucher_expires_at,
        "used_at": one.token_used_at,
    }


def shown(desk: Desk, one: Redemption) -> dict[str, Any]:
    """What the learner gets: `code` is a partner's, `token` is ours, used once; empty where there is none."""
    there = one.state is State.fulfilled
    return public(one) | {
        "code": desk.voucher(one) if there else "",
        "token": desk.token(one) if there else "",
        "expires_at": one.voucher_expires_at if there else None,
        "used_at": one.token_used_at,
    }
