"""When to try again, and how often its trouble is told. Pure.

Attempts, a random number and what the other side asked for go in, a time comes out.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

FIRST_S = 1.0
CAP_S = 900.0
"""Longest wait of our own making, in seconds."""
RETRY_AFTER_MAX_S = 3600
"""Longest wait the other side may ask for, in seconds: nobody switches a campus off with one header."""
WAIT_S_MAX = RETRY_AFTER_MAX_S + int(CAP_S)
"""Longest wait that there ever is, in seconds."""
_DOUBLINGS_MAX = 20


def delay_s(attempts: int, random: float) -> float:
    """Seconds to wait after ``attempts`` failures (at least 1): full jitter, ``random`` in [0, 1).

    Uniform over (0, min(cap, first · 2^(attempts-1))], so that thousands of agents do not come back at once.
    """
    most = min(CAP_S, FIRST_S * float(1 << min(max(attempts - 1, 0), _DOUBLINGS_MAX)))
    return most * (1.0 - random)


def retry_after_s(header: str | None, now: int) -> int | None:
    """Seconds that a Retry-After header asks for (a number or a date), bounded; None where it says nothing sensible."""
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:9]), RETRY_AFTER_MAX_S)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return min(max(int(at.timestamp()) - now, 0), RETRY_AFTER_MAX_S)


def next_try_at(now: int, attempts: int, random: float, retry_after: int | None) -> int:
    """When the next attempt is due (seconds UTC): what the other side asked for, else our own backoff."""
    own = delay_s(attempts, random)
    # Asked to wait, we wait at least that; the jitter on top keeps agents apart that were all asked the same.
    wait = own if retry_after is None else retry_after + min(own, retry_after)
    return now + max(1, round(wait))


def left_s(next_try_at: int, now: int) -> int:
    """Seconds until an attempt is due, 0 where it is.

    What lies further off than anything we ever wait for was reckoned with a clock that has been set back since: it is
    due, or a clock that ran a day ahead for a minute would stop us for a day.
    """
    left = next_try_at - now
    return left if 0 < left <= WAIT_S_MAX else 0


class Trouble:
    """With one thing that is tried again and again: told once in the same words, and once that it is over.

    ``said`` is what is wrong with it now, empty where nothing is.
    """

    def __init__(self) -> None:
        self.said = ""

    def is_news(self, said: str) -> bool:
        """Whether this was not said already; it is from now on."""
        before, self.said = self.said, said
        return said != before

    def is_over(self) -> bool:
        """Whether something was wrong; nothing is from now on."""
        before, self.said = self.said, ""
        return bool(before)
