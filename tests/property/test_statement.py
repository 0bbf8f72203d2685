"""Whatever both ends do, and whatever is put back: after catching up the campus shows the catalogue's wallets."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.ledger import file
from catalogue.wallets.book import InsufficientError, OverspentError
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.effort import examples
from tests.integration.statement import centre
from tests.integration.statement.campus import LEARNERS, Campus, a_campus
from tests.integration.statement.test_feed import copied
from tests.wire_builders import CAMPUS, NOW

DAY = 86_400
EXPIRES_S = 200 * DAY
BOOKS = "books.db"

WHO = st.sampled_from(LEARNERS)
ACTS = st.one_of(
    st.tuples(st.just("award"), WHO, st.integers(1, 30)),
    st.tuples(st.just("take"), WHO, st.integers(1, 30)),
    st.tuples(st.just("reverse"), st.none(), st.integers(0, 5)),
    st.tuples(st.just("terms"), st.none(), st.sampled_from(["owe", "forgive"])),
    st.tuples(st.just("spend"), WHO, st.integers(1, 25)),
    st.tuples(st.just("refund"), st.none(), st.integers(0, 5)),
    st.tuples(st.just("expire"), WHO, st.integers(0, 300)),
    st.tuples(st.just("deliver"), st.none(), st.none()),
    st.tuples(st.just("hear"), st.none(), st.none()),
    st.tuples(st.just("copy"), st.none(), st.none()),
    st.tuples(st.just("restart"), st.none(), st.none()),
    st.tuples(st.just("set the catalogue back"), st.none(), st.none()),
    st.tuples(st.just("set the agent back"), st.none(), st.none()),
)
ENDS_A_LIFE = {"copy", "restart", "set the catalogue back", "set the agent back"}


class Story:
    """One campus, one catalogue, any acts. Copies of both are made while nobody runs."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.room = directory / "agent"
        self.copies = directory / "copies"
        self.copies.mkdir()
        self.awards: list[int] = []
        self.spends: list[tuple[str, int, str]] = []
        self.made = self.copied_at = 0
        self.day = 0

    async def play(self, acts: list[tuple[str, Any, Any]]) -> tuple[dict[str, int], dict[str, int]]:
        """What the campus shows each learner to have, and what the catalogue has, after catching up."""
        async with (
            self.running() as catalogue,
            a_campus(self.room, catalogue, await catalogue.add_tenant(CAMPUS)) as it,
        ):
            await it.terms(EXPIRES_S)
        self.copy()
        lives: list[list[tuple[str, Any, Any]]] = [[]]
        for act in acts:
            if act[0] in ENDS_A_LIFE:
                lives.append([])
            lives[-1].append(act)
        for life in lives:
            if life and life[0][0] in ENDS_A_LIFE:
                self.between_lives(life.pop(0)[0])
            async with self.running() as catalogue, a_campus(self.room, catalogue) as campus:
                for act in life:
                    await self.act(catalogue, campus, *act)
        async with self.running() as catalogue, a_campus(self.room, catalogue) as campus:
            assert await campus.sync()
            await campus.must_agree(catalogue)
            there = await catalogue.wallets(CAMPUS)
            return (
                {learner: campus.held(learner).balance for learner in LEARNERS},
                {learner: there.get((learner, "points"), 0) for learner in LEARNERS},
            )

    def running(self) -> contextlib.AbstractAsyncContextManager[RealCatalogue]:
        return running_catalogue(self.directory, f"sqlite:///{self.directory / BOOKS}")

    def between_lives(self, name: str) -> None:
        match name:
            case "copy":
                self.copy()
            case "set the catalogue back":
                shutil.copy(self.copies / BOOKS, self.directory / BOOKS)
            case "set the agent back" if self.copied_at == self.made:
                # An older chain is refused, which is another story: only what was heard is forgotten here.
                shutil.copy(self.copies / file.FILE_NAME, self.room / file.FILE_NAME)

    def copy(self) -> None:
        copied(self.directory / BOOKS, self.copies / BOOKS)
        copied(self.room / file.FILE_NAME, self.copies / file.FILE_NAME)
        self.copied_at = self.made

    async def act(self, catalogue: RealCatalogue, campus: Campus, name: str, who: Any, what: Any) -> None:
        self.made += 1
        now = NOW + 1000 + self.day * DAY
        with contextlib.suppress(InsufficientError, OverspentError):
            match name:
                case "award":
                    self.awards.append(await campus.write(who, what))
                case "take":
                    await campus.write(who, -what, kind="adjustment")
                case "reverse" if self.awards:
                    await campus.reverse(self.awards.pop(what % len(self.awards)))
                case "terms":
                    await campus.terms(EXPIRES_S, what)
                case "spend":
                    ref = f"spend:{self.made}"
                    await centre.spend(catalogue, who, what, ref, now=now)
                    self.spends.append((who, what, ref))
                case "refund" if self.spends:
                    who, amount, ref = self.spends.pop(what % len(self.spends))
                    await centre.refund(catalogue, who, amount, ref, now=now)
                case "expire":
                    self.day = max(self.day, what)
                    await centre.let_expire(catalogue, who, now=NOW + self.day * DAY)
                case "deliver":
                    assert await campus.deliver()
                case "hear":
                    assert await campus.hear()


@settings(max_examples=examples(12), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=st.lists(ACTS, max_size=25))
def test_after_catching_up_the_campus_shows_the_wallets_of_the_catalogue(
    catalogue_file: Path, acts: list[tuple[str, Any, Any]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        shutil.copy(catalogue_file, Path(name) / BOOKS)
        here, there = asyncio.run(Story(Path(name)).play(acts))
    assert here == there
