"""How often one token may ask: a count for each token and minute, in this process."""

from __future__ import annotations

REQUESTS_PER_MINUTE = 300
MINUTE_S = 60


class Rate:
    """Counts; holds the tokens of the present minute alone."""

    def __init__(self) -> None:
        self._minute = 0
        self._counts: dict[tuple[str, str], int] = {}

    def wait(self, who: tuple[str, str], *, now: int, most: int = REQUESTS_PER_MINUTE) -> int:
        """Count one request: 0 if it may go on, else the seconds until it may."""
        if now // MINUTE_S != self._minute:
            self._minute = now // MINUTE_S
            self._counts.clear()
        count = self._counts.get(who, 0)
        if count >= most:
            return MINUTE_S - now % MINUTE_S
        self._counts[who] = count + 1
        return 0
