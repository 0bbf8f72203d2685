"""Whether the vouchers in the database can be opened with the secret of this server."""

from __future__ import annotations

import structlog

from catalogue.errors import IntegrityError
from catalogue.redemption import records
from catalogue.redemption.desk import Desk

LOOK_S = 3600.0
"""How often a server looks, in seconds."""

log = structlog.get_logger()


class Vouchers:
    """Looks at one of them; where they were sealed with another secret everything else can go on."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self.unreadable = False

    async def look(self) -> None:
        """Look, and say so in the log where they cannot be opened."""
        try:
            await opened(self._desk)
            self.unreadable = False
        except IntegrityError as exc:
            self.unreadable = True
            log.error("vouchers_unreadable", said=exc.message, hint=exc.hint)


async def opened(desk: Desk) -> None:
    """Open one voucher of the books, where there is any.

    Raises:
        IntegrityError: it was sealed with another secret.
    """
    async with desk.store.reading() as conn:
        one = await records.one_with_a_voucher(conn)
    if one is not None:
        desk.voucher(one)
        desk.token(one)
