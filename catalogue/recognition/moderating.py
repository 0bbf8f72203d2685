"""What those who look after a campus do: giving by hand, hiding, revoking, tags and policy. Each is an act on record.

What is written down are states and pseudonyms, never words: those stand where they can be taken away.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from catalogue import acts, schema
from catalogue.acts import Act
from catalogue.errors import RefusedError
from catalogue.recognition import choices, giving, policy, records, remarks, tags, words
from catalogue.recognition.giving import Wish
from catalogue.recognition.policy import Policy
from catalogue.recognition.records import KUDOS, Recognition
from catalogue.store import Store

HIDE, SHOW, REVOKE = "hide", "show", "revoke"
DOINGS = (HIDE, SHOW, REVOKE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moderator:
    """Who looks after a campus: ``by`` as acts name them, ``now`` in seconds UTC."""

    store: Store
    campus: str
    by: str
    now: int

    async def give(self, wish: Wish) -> tuple[Recognition, bool]:
        """Give an award, or kudos in a learner's place, and whether they are new.

        Raises:
            RefusedError: something stands against it.
        """
        # A tag may be a learner's own word, and a key is whatever the asker calls it.
        tag = wish.kind == KUDOS
        words_of = {"key", "about"} if tag else {"key"}
        concerned = acts.rows(schema.recognition, but=words_of, campus=self.campus, key=wish.key)
        said = self._act(f"{wish.kind}.give", "" if tag else wish.about)
        async with self._acting(said, concerned) as conn:
            return await giving.give(conn, wish, now=self.now)

    async def moderate(self, no: int, do: str, *, why: str, kind: str | None = None) -> Recognition:
        """Hide one, show it again, or revoke it for good.

        Raises:
            RefusedError: there is none, or it cannot be.
        """
        if do not in DOINGS:
            raise RefusedError(400, "do", f"what is to be done is {', '.join(DOINGS)}")
        said = self._act(f"{kind or 'recognition'}.{do}", str(no), why=giving.reason(why))
        concerned = acts.rows(schema.recognition, campus=self.campus, no=no)
        async with self._acting(said, concerned) as conn:
            await records.need(conn, self.campus, no, kind=kind)
            if do == SHOW:
                return await giving.show(conn, self.campus, no)
            doing = giving.hide if do == HIDE else giving.revoke
            return await doing(conn, self.campus, no, why=why, by=self.by, now=self.now)

    async def moderate_comment(self, no: int, comment: int, do: str, *, why: str) -> None:
        """Hide a comment (0: the message), or show it again.

        Raises:
            RefusedError: there is none.
        """
        if do not in {HIDE, SHOW}:
            raise RefusedError(400, "do", f"what is to be done is {HIDE} or {SHOW}")
        said = self._act(f"comment.{do}", f"{no} {comment}", why=giving.reason(why))
        concerned = acts.rows(schema.remark, campus=self.campus, recognition=no, no=comment)
        async with self._acting(said, concerned) as conn:
            await remarks.moderate(conn, self.campus, no, comment, hidden=do == HIDE)

    async def put_tag(self, name: str, *, title: str = "", state: str = tags.OFFERED) -> None:
        """Offer or block a tag.

        Raises:
            RefusedError: it cannot be.
        """
        plain = words.tag(name)
        concerned = acts.rows(schema.kudos_tag, campus=self.campus, tag=plain)
        async with self._acting(self._act("kudos-tag.put", plain), concerned) as conn:
            await tags.put(conn, self.campus, plain, title=title, state=state, now=self.now)

    async def remove_tag(self, name: str) -> None:
        """Forget what was said of a tag.

        Raises:
            RefusedError: nothing was.
        """
        plain = words.tag(name)
        concerned = acts.rows(schema.kudos_tag, campus=self.campus, tag=plain)
        async with self._acting(self._act("kudos-tag.remove", plain), concerned) as conn:
            await tags.remove(conn, self.campus, plain)

    async def choose(self, learner: str, shown: str) -> None:
        """Keep in a learner's place what that learner chose.

        Raises:
            RefusedError: it is no choice.
        """
        concerned = acts.rows(schema.recognition_choice, campus=self.campus, learner=learner)
        async with self._acting(self._act("kudos.choose", learner), concerned) as conn:
            await choices.choose(conn, self.campus, learner, shown, now=self.now)

    async def change_policy(self, said: Mapping[str, Any]) -> Policy:
        """Keep the policy with what is said.

        Raises:
            RefusedError: it cannot be so.
        """
        concerned = acts.rows(schema.recognition_policy, campus=self.campus)
        async with self._acting(self._act("kudos-policy.change"), concerned) as conn:
            return await policy.change(conn, self.campus, said)

    @contextlib.asynccontextmanager
    async def _acting(self, said: Act, concerned: acts.Rows) -> AsyncIterator[AsyncConnection]:
        """An act, one of the campus after the other: two that change a part each of one row do not undo each other."""
        async with self.store.writing() as conn:
            await records.hold(conn, self.campus)
            async with acts.recorded(conn, said, concerned):
                yield conn

    def _act(self, name: str, about: str = "", *, why: str = "") -> Act:
        return Act(campus=self.campus, by=self.by, at=self.now, act=name, about=about, why=why)
