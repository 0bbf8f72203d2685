"""Other programs read a campus's books with a token of their own: on each database, over real HTTP."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from typer.testing import CliRunner

from catalogue import schema
from catalogue.api import guard, tokens
from catalogue.api.document import document
from catalogue.api.rate import Rate
from catalogue.app import Door, wall_clock
from catalogue.cli.app import app
from catalogue.people import links
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.wallets.bank import ANN, NOW, Bank
from tests.wire_builders import CAMPUS, an_entry

OTHER = "another-campus"
POINTS = "/api/user/points"
LEDGER = "/api/rewards/ledger"


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        yield made


class Partner:
    """Another program: asks with a token, over one connection."""

    def __init__(self, real: RealCatalogue, session: aiohttp.ClientSession) -> None:
        self.real = real
        self.url = real.url
        self._session = session

    async def token(
        self, campus: str = CAMPUS, *scopes: str, name: str = "bi", expires_at: int = 2**40, per_minute: int = 300
    ) -> str:
        async with self.real.store.writing() as conn:
            wanted = list(scopes or tokens.SCOPES)
            return await tokens.add(
                conn, campus, name, wanted, expires_at=expires_at, by="a test", now=NOW, per_minute=per_minute
            )

    async def ask(self, path: str, token: str | None, **query: str) -> tuple[int, str, Any]:
        """(status, body, headers)."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.get(f"{self.url}{path}", params=query, headers=headers) as answer:
            return answer.status, await answer.text(), answer.headers

    async def page(self, token: str, **query: str) -> Any:
        status, body, _headers = await self.ask(LEDGER, token, **query)
        assert status == 200, body
        return json.loads(body)


@pytest.fixture
async def partner(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Partner]:
    hand = Hand(real, tmp_path)
    await hand.enrol(await real.add_tenant(CAMPUS))
    await real.add_tenant(OTHER)
    await Bank(real, hand).award(10, 20, 30)
    await Bank(real, hand).award(5, at=NOW + 3 * 86_400, learner="ben", rule="essay")
    async with aiohttp.ClientSession() as session:
        yield Partner(real, session)
    await hand.client.close()


async def test_a_token_reads_points_and_the_ledger_page_by_page_with_filters(partner: Partner) -> None:
    token = await partner.token()
    status, body, _headers = await partner.ask(POINTS, token, user=ANN)
    assert (status, json.loads(body)["wallets"]) == (200, [{"currency": "points", "balance": 60, "earned": 60}])
    seen: list[int] = []
    after: Any = 0
    while after is not None:
        page = await partner.page(token, limit="3", after=str(after))
        seen += [row["amount"] for row in page["rows"]]
        after = page["next"]
    assert seen == [10, 20, 30, 5]
    source = (await partner.page(token))["rows"][0]["source"]
    for query, amounts in (
        ({"user": "ben"}, [5]),
        ({"rule": "essay"}, [5]),
        ({"source": source}, [10, 20, 30, 5]),
        ({"source": "nowhere"}, []),
        ({"from": "2026-09-22"}, [5]),
        ({"until": "2026-09-21"}, [10, 20, 30]),
    ):
        assert [row["amount"] for row in (await partner.page(token, **query))["rows"]] == amounts, query


async def test_a_row_names_the_event_that_its_entry_carries_and_what_no_event_made_names_none(
    partner: Partner, tmp_path: Path
) -> None:
    hand = Hand(partner.real, tmp_path)
    await hand.enrol(await partner.real.add_tenant(CAMPUS))
    bank = Bank(partner.real, hand)
    await bank.award(1, event_ref="aa" * 32)
    await bank.award(2, event_ref="")
    await bank.spend(3)
    token = await partner.token()
    page = await partner.page(token, user=ANN)
    told = [(row["kind"], row["event_id"]) for row in page["rows"]]
    first = [("award", "cd" * 32)] * 3
    assert told == [*first, ("award", "aa" * 32), ("award", ""), ("spend", "")]
    assert [row for row in (await partner.page(token))["rows"] if row["user"] == ANN] == page["rows"]
    _status, body, _headers = await partner.ask(LEDGER, token, format="csv", limit="all", user=ANN)
    assert [row["event_id"] for row in csv.DictReader(io.StringIO(body))] == [event for _, event in told]
    await hand.client.close()


async def test_the_ledger_as_csv_is_the_same_page(partner: Partner) -> None:
    token = await partner.token()
    status, body, headers = await partner.ask(LEDGER, token, format="csv", limit="3")
    assert (status, headers["Next-After"]) == (200, "3")
    assert [row["amount"] for row in csv.DictReader(io.StringIO(body))] == ["10", "20", "30"]


async def test_a_ledger_whose_old_months_are_in_the_archive_alone_says_where_it_begins(partner: Partner) -> None:
    token = await partner.token()
    assert (await partner.page(token))["archived"] is None
    month = {"campus": CAMPUS, "month": "2026-09", "first_no": 1, "last_no": 2, "entries": 2, "batches": 1}
    async with partner.real.store.writing() as conn:
        gone = month | {"manifest": b"", "made_at": 1, "made_by": "a test", "gone_at": 1}
        await conn.execute(schema.archived_month.insert(), gone)
    first, after = await partner.page(token), await partner.page(token, after="2")
    assert [row["no"] for row in first["rows"]] == [row["no"] for row in after["rows"]] == [3, 4]
    assert (first["archived"], after["archived"]) == ("2026-09", None)
    assert (await partner.page(token, user=ANN))["archived"] == "2026-09"
    for limit in ("1", "all"):
        _status, _body, headers = await partner.ask(LEDGER, token, format="csv", limit=limit)
        assert headers["Archived-Until"] == "2026-09"


async def test_another_campus_token_sees_nothing_and_no_token_opens_more_than_its_scopes(partner: Partner) -> None:
    other = await partner.token(OTHER)
    assert (await partner.page(other))["rows"] == []
    assert json.loads((await partner.ask(POINTS, other, user=ANN))[1])["wallets"] == []
    good = await partner.token()
    _campus, _name, secret = good.rsplit(".", 2)
    over = await partner.token(name="old", expires_at=wall_clock())
    for bad in (None, "", "x", f"{OTHER}.bi.{secret}", f"{CAMPUS}.none.{secret}", good[:-1], over, good + "\x85"):
        assert (await partner.ask(LEDGER, bad))[0] == 401, bad
    narrow = await partner.token(CAMPUS, "points:read", name="narrow")
    assert (await partner.ask(LEDGER, narrow))[0] == 403
    async with partner.real.store.writing() as conn:
        await tokens.revoke(conn, CAMPUS, "bi", now=NOW)
    assert (await partner.ask(LEDGER, good))[0] == 401
    await partner.real.set_state(OTHER, "suspended")
    assert (await partner.ask(LEDGER, other))[0] == 403


async def test_a_token_that_asks_too_often_is_told_when_to_come_back(partner: Partner) -> None:
    eager, calm = await partner.token(per_minute=3), await partner.token(name="calm")
    status, _body, headers = await partner.ask(POINTS, eager, user=ANN)
    asked = 1
    while status == 200 and asked <= 2 * 3:  # a minute may end meanwhile
        status, _body, headers = await partner.ask(POINTS, eager, user=ANN)
        asked += 1
    assert (status, 1 <= int(headers["Retry-After"]) <= 60) == (429, True)
    assert (await partner.ask(POINTS, calm, user=ANN))[0] == 200


def test_a_rate_counts_each_token_by_itself_and_each_minute_anew() -> None:
    rate = Rate()
    assert [rate.wait(("c", "eager"), now=at, most=2) for at in (60, 61, 70, 119, 120)] == [0, 0, 50, 1, 0]
    assert rate.wait(("c", "calm"), now=121, most=2) == 0


async def test_the_document_is_served_to_whoever_asks(partner: Partner) -> None:
    status, body, _headers = await partner.ask("/api/openapi.json", None)
    assert (status, json.loads(body)) == (200, document())


@asynccontextmanager
async def narrow(real: RealCatalogue) -> AsyncIterator[tuple[str, int]]:
    """The same catalogue with room for one request at a time, behind connections that hold little."""
    door = Door(store=real.store, key=real.key, in_flight_max=1)
    runner = web.AppRunner(door.app(), access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        await web.SockSite(runner, listening).start()
        try:
            yield listening.getsockname()
        finally:
            await runner.cleanup()


@pytest.mark.parametrize("real", ["sqlite"], indirect=True)
async def test_exports_that_nobody_reads_keep_neither_agents_nor_other_campuses_waiting(
    partner: Partner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for campus in (CAMPUS, OTHER):
        hand = Hand(partner.real, tmp_path, campus=campus)
        await hand.enrol(await partner.real.add_tenant(campus))
        await hand.deliver([an_entry(seq) for seq in range(1, 1001)])
        await hand.client.close()
    mine, theirs = await partner.token(), await partner.token(OTHER)
    async with narrow(partner.real) as (host, port):
        partner.url = f"http://{host}:{port}"

        async def begun(token: str) -> socket.socket:
            """A whole export whose first line alone was read."""
            asking = socket.socket()
            asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            asking.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(asking, (host, port))
            asked = f"GET {LEDGER}?format=csv&limit=all HTTP/1.1\r\nHost: c\r\nAuthorization: Bearer {token}\r\n\r\n"
            await loop.sock_sendall(asking, asked.encode())
            assert (await loop.sock_recv(asking, 12)).endswith(b" 200")
            return asking

        export = {"format": "csv", "limit": "all"}
        held = [await begun(mine) for _ in range(guard.EXPORTS_OF_CAMPUS_MAX)]
        status, body, headers = await partner.ask(LEDGER, mine, **export)
        assert (status, json.loads(body)["error"], "Retry-After" in headers) == (503, "busy", True)
        assert (await partner.ask("/livez", None))[0] == 200
        assert (await partner.ask(LEDGER, mine))[0] == 200
        held.append(await begun(theirs))
        monkeypatch.setattr(guard, "EXPORTS_MAX", len(held))
        assert (await partner.ask(LEDGER, theirs, **export))[0] == 503
        for asking in held:
            asking.close()
        while (await partner.ask(LEDGER, mine, **export))[0] == 503:
            assert (await partner.ask("/livez", None))[0] == 200


async def test_the_rows_of_somebody_with_several_wallets_add_up_to_what_they_have(
    partner: Partner, tmp_path: Path
) -> None:
    hand = Hand(partner.real, tmp_path)
    await hand.enrol(await partner.real.add_tenant(CAMPUS))
    await Bank(partner.real, hand).award(7, 8, learner="ann-2")
    async with partner.real.store.writing() as conn:
        await links.unite(conn, CAMPUS, ANN, "ann-2", now=NOW, by="a test", why="one person")
    await Bank(partner.real, hand).spend(50)
    token = await partner.token()
    for user in (ANN, "ann-2"):
        rows: list[Any] = []
        after: int | None = 0
        while after is not None:
            page = await partner.page(token, user=user, limit="2", after=str(after))
            rows, after = rows + page["rows"], page["next"]
        assert [row["no"] for row in rows] == sorted({row["no"] for row in rows})
        assert {row["user"] for row in rows} == {ANN, "ann-2"}
        wallets = json.loads((await partner.ask(POINTS, token, user=user))[1])["wallets"]
        assert [one["balance"] for one in wallets] == [sum(row["amount"] + row["waived"] for row in rows)] == [25]
    await hand.client.close()


async def test_every_row_has_what_the_document_says(partner: Partner) -> None:
    schema = document()["paths"][LEDGER]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    for row in (await partner.page(await partner.token()))["rows"]:
        cells = schema["properties"]["rows"]["items"]["properties"]
        assert set(row) == set(cells)
        whole = {name for name, cell in cells.items() if "integer" in cell["type"]}
        assert {name for name, value in row.items() if isinstance(value, int)} | {"expires_at"} == whole


def test_an_operator_makes_lists_and_revokes_tokens(tmp_path: Path) -> None:
    def types(*words: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, [*words, "--data-dir", str(tmp_path / "c")])
        assert result.exit_code == code, result.output
        return result.output

    told = CliRunner().invoke(app, ["token", "add", "--help"], env={"COLUMNS": "400"}).output
    assert [scope for scope in tokens.SCOPES if scope not in told] == []
    types("init")
    types("tenant", "add", CAMPUS)
    made = json.loads(types("token", "add", CAMPUS, "power-bi", "--scope", "ledger:read", "--json"))
    listed = types("token", "list", CAMPUS)
    assert "power-bi" in listed
    assert made["token"].rsplit(".", 1)[1] not in listed
    assert "already" in types("token", "add", CAMPUS, "power-bi", "--scope", "ledger:read", code=1)
    assert "points:read" in types("token", "add", CAMPUS, "b", "--scope", "everything", code=1)
    assert "no campus nowhere" in types("token", "add", "nowhere", "b", "--scope", "ledger:read", code=1)
    types("token", "revoke", CAMPUS, "power-bi")
    assert [row["state"] for row in json.loads(types("token", "list", CAMPUS, "--json"))] == ["revoked"]
