"""Many entries that were set aside are posted one by one: what cannot be posted stays, and the rest goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sqlalchemy.exc import DBAPIError

from catalogue import acts
from catalogue.acts import Act
from catalogue.errors import CatalogueError
from catalogue.proof import rejected
from catalogue.proof.rejected import LISTED_MAX, Place, Wanted
from catalogue.schema import accepted_entry
from catalogue.store import Store, database_said


class Settled:
    """What became of them: ``posted`` moved, ``aside`` stayed with the reason, ``last`` is how far it went.

    ``more`` are behind it. ``stopped`` is why it ended before its time, or empty.
    """

    def __init__(self, after: Place) -> None:
        self.posted: list[dict[str, Any]] = []
        self.aside: list[dict[str, Any]] = []
        self.last = after
        self.more = False
        self.stopped = ""


async def accept_all(store: Store, said: Act, wanted: Wanted, *, by: str, most: int) -> Settled:
    """Post the first ``most`` entries that are ``wanted``, in order, each in a transaction and an act of its own.

    ``said`` has the campus, the time, the act's name and why. A database that goes away ends it; what was posted until
    then is told.
    """
    done = Settled(wanted.after)
    tried = 0
    while not done.stopped:
        async with store.reading() as conn:
            page = await rejected.listed(conn, said.campus, replace(wanted, after=done.last), most=LISTED_MAX)
        for row in page:
            if tried == most:
                done.more = True
                return done
            tried += 1
            if not await _one(store, said, row, done, by=by):
                return done
        if len(page) < LISTED_MAX:
            return done
    return done


async def _one(store: Store, said: Act, row: dict[str, Any], done: Settled, *, by: str) -> bool:
    """Post one, and note what became of it; whether the next may be tried."""
    name, seq = row["agent"], row["seq"]
    own = replace(said, about=f"{name} {seq}")
    concerned = acts.rows(accepted_entry, campus=said.campus, agent=name, seq=seq)
    try:
        async with acts.acting(store, own, concerned) as conn:
            moved = await rejected.accept(store, conn, said.campus, name, seq, by=by, reason=said.why, now=said.at)
    except CatalogueError as exc:
        done.aside.append({"agent": name, "epoch": row["epoch"], "seq": seq, "why": exc.message})
    except DBAPIError as exc:
        done.stopped = database_said(exc)
        return False
    else:
        done.posted.append(moved)
    done.last = Place(name, row["epoch"], seq)
    return True
