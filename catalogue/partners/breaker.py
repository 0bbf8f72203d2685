"""When a partner that fails is left alone, and when an order is tried again. Pure; jitter is passed in."""

from __future__ import annotations

from typing import NamedTuple

FAILURES_MAX = 5
"""So many failures in a row open the circuit."""
OPEN_S, OPEN_S_MAX = 30, 3_600
RETRY_S, RETRY_S_MAX = 5, 3_600
GIVE_UP_S = 86_400
"""An order that never reached its partner for so long is given back."""
DOUBT_S = 3 * 86_400
"""An order that may have arrived is asked for again for so long; then only the partner's statement knows."""


class Circuit(NamedTuple):
    """``failures`` in a row; nothing is sent before ``open_until``."""

    failures: int = 0
    open_until: int = 0


def failed(circuit: Circuit, now: int) -> Circuit:
    """One more failure: from `FAILURES_MAX` on the partner is left alone, each time for longer."""
    failures = circuit.failures + 1
    if failures < FAILURES_MAX:
        return Circuit(failures, circuit.open_until)
    doublings = min(failures - FAILURES_MAX, 20)
    return Circuit(failures, now + min(OPEN_S * 2**doublings, OPEN_S_MAX))


def probed(circuit: Circuit, now: int, lease_s: int) -> Circuit:
    """An order is about to be sent: after a failure that opened the circuit one alone, the others wait for it."""
    if circuit.failures < FAILURES_MAX:
        return circuit
    return Circuit(circuit.failures, now + lease_s)


def retry_at(attempts: int, now: int, jitter: float, asked_s: int | None = None) -> int:
    """When to try again after so many attempts; ``jitter`` in [0, 1) spreads them over the second half of the wait."""
    wait = min(RETRY_S * 2 ** min(max(attempts - 1, 0), 20), RETRY_S_MAX)
    return now + max(int(wait * (0.5 + jitter / 2)), asked_s or 0, 1)
