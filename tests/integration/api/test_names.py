"""What learners are called is told to who may know it, and to nobody else: on each database, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import structlog
from typer.testing import CliRunner

from catalogue.api import tokens
from catalogue.cli.app import app
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.wire_builders import CAMPUS, an_entry
from wire.people.names import Named

ANN, BEN = "learner1", "learner2"


class Desk(NamedTuple):
    """A help desk that asks with a token, and the agent of its campus."""

    real: RealCatalogue
    hand: Hand
    session: aiohttp.ClientSession
    tokens: dict[str, str]

    async def ask(self, path: str, body: dict[str, Any], token: str = "desk") -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.tokens[token]}"}
        async with self.session.post(self.real.url + path, json=body, headers=headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture(params=["sqlite", "postgresql"])
async def desk(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[Desk]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as real, aiohttp.ClientSession() as session:
        hand = Hand(real, tmp_path)
        await hand.enrol(await real.add_tenant(CAMPUS))
        await hand.deliver([an_entry(seq, learner=name) for seq, name in ((1, ANN), (2, BEN))])
        made = {}
        async with real.store.writing() as conn:
            for name, scopes in (("desk", ["names:read"]), ("bi", ["points:read", "ledger:read"])):
                made[name] = await tokens.add(conn, CAMPUS, name, scopes, expires_at=2**40, by="a test", now=1)
        yield Desk(real, hand, session, made)
        await hand.client.close()


async def test_who_may_know_finds_learners_by_name_and_names_by_learner(desk: Desk) -> None:
    assert (await desk.hand.names((ANN, "Ann.Smith", 7), (BEN, "ben", 7))).status == 200
    told = {"user": ANN, "name": "Ann.Smith", "said_by": "username", "told_at": 7}
    assert await desk.ask("/api/names/look", {"users": [ANN, "nobody", ANN]}) == (200, {"names": [told]})
    assert await desk.ask("/api/v1/names/find", {"text": "sMITH"}) == (200, {"names": [told], "more": False})
    for path, body in (("/api/names/look", {"users": [ANN]}), ("/api/names/find", {"text": "a"})):
        assert (await desk.ask(path, body, "bi"))[0] == 403, "who reads books reads pseudonyms"
        assert (await desk.ask(path, {}))[0] == 400
    assert (await desk.ask("/api/names/look", {"users": [1]}))[0] == 400
    assert (await desk.ask("/api/names/look?user=ann", {"users": [ANN]}))[0] == 400
    headers = {"Authorization": f"Bearer {desk.tokens['bi']}"}
    for path in ("/api/rewards/ledger", f"/api/user/points?user={ANN}"):
        async with desk.session.get(desk.real.url + path, headers=headers) as answer:
            assert "Ann" not in await answer.text()


async def test_a_name_is_taken_of_its_own_agent_alone_and_changes_nothing_in_the_books(desk: Desk) -> None:
    assert (await desk.hand.names((ANN, "ann", 7), agent="agent-9")).status == 403
    first = await desk.hand.names((ANN, "ann", 7))
    again = await desk.hand.names()
    assert Named.parse(first.body) == Named.parse(again.body)
    assert await desk.real.faults() == []
    assert (await desk.hand.names(withdrawn=7)).status == 200
    assert await desk.ask("/api/names/look", {"users": [ANN]}) == (200, {"names": []})


async def typed(desk: Desk, place: Path, *words: str) -> str:
    """What a command of the catalogue prints."""
    config = place / "catalogue.toml"
    url = desk.real.store._url.render_as_string(hide_password=False)  # noqa: SLF001 - the very same database
    config.write_text(f'[database]\nurl = "{url}"\n', encoding="utf-8")
    found = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--config", str(config)])
    structlog.reset_defaults()  # the command's own stream is closed, and the catalogue beside it logs on
    assert found.exit_code == 0, found.output
    return found.output


async def test_commands_say_what_learners_are_called_and_exports_do_not(desk: Desk, tmp_path: Path) -> None:
    await desk.hand.names((ANN, "Ann.Smith", 7))
    assert "Ann.Smith" in await typed(desk, tmp_path, "wallet", "show", CAMPUS)
    (row,) = json.loads(await typed(desk, tmp_path, "wallet", "show", CAMPUS, ANN, "--json"))
    assert row["called"] == "Ann.Smith"
    found = json.loads(await typed(desk, tmp_path, "wallet", "find", CAMPUS, "smith", "--json"))
    assert [one["learner"] for one in found["names"]] == [ANN]
    assert "Ann.Smith" in await typed(desk, tmp_path, "wallet", "find", CAMPUS, "SMITH")
    assert "nobody is called that" in await typed(desk, tmp_path, "wallet", "find", CAMPUS, "zoe")
    for words in (("ledger", "export", CAMPUS), ("ledger", "movements", CAMPUS), ("wallet", "history", CAMPUS, ANN)):
        assert "Smith" not in await typed(desk, tmp_path, *words)


@pytest.mark.parametrize("words", [("agent", "revoke", CAMPUS, "agent-1"), ("tenant", "close", CAMPUS)])
async def test_who_can_withdraw_no_name_any_more_leaves_none(
    desk: Desk, tmp_path: Path, words: tuple[str, ...]
) -> None:
    await desk.hand.names((ANN, "Ann.Smith", 7))
    await typed(desk, tmp_path, *words)
    assert (await desk.hand.names((ANN, "Ann.Smith", 8))).status == 403
    assert "nobody is called that" in await typed(desk, tmp_path, "wallet", "find", CAMPUS, "smith")
    assert "Smith" not in await typed(desk, tmp_path, "wallet", "show", CAMPUS)
