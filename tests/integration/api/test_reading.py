"""Other programs read a campus's books with a token of their own: on each database, over real HTTP."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from catalogue.api import tokens
from catalogue.api.document import document
from catalogue.api.rate import REQUESTS_PER_MINUTE, Rate
from catalogue.app import wall_clock
from catalogue.cli.app import app
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.wallets.bank import ANN, NOW, Bank
from tests.wire_builders import CAMPUS

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
        self._session = session

    async def token(self, campus: str = CAMPUS, *scopes: str, name: str = "bi", expires_at: int = 2**40) -> str:
        async with self.real.store.writing() as conn:
            wanted = list(scopes or tokens.SCOPES)
            return await tokens.add(conn, campus, name, wanted, expires_at=expires_at, by="a test", now=NOW)

    async def ask(self, path: str, token: str | None, **query: str) -> tuple[int, str, Any]:
        """(status, body, headers)."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.get(f"{self.real.url}{path}", params=query, headers=headers) as answer:
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


async def test_the_ledger_as_csv_is_the_same_page(partner: Partner) -> None:
    token = await partner.token()
    status, body, headers = await partner.ask(LEDGER, token, format="csv", limit="3")
    assert (status, headers["Next-After"]) == (200, "3")
    assert [row["amount"] for row in csv.DictReader(io.StringIO(body))] == ["10", "20", "30"]


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
    eager, calm = await partner.token(), await partner.token(name="calm")
    status, _body, headers = await partner.ask(POINTS, eager, user=ANN)
    asked = 1
    while status == 200 and asked <= 2 * REQUESTS_PER_MINUTE:  # a minute may end meanwhile
        status, _body, headers = await partner.ask(POINTS, eager, user=ANN)
        asked += 1
    assert (status, 1 <= int(headers["Retry-After"]) <= 60) == (429, True)
    assert (await partner.ask(POINTS, calm, user=ANN))[0] == 200


def test_a_rate_counts_each_token_by_itself_and_each_minute_anew() -> None:
    rate = Rate()
    assert [rate.wait(("c", "eager"), now=at, most=2) for at in (60, 61, 70, 119, 120)] == [0, 0, 50, 1, 0]
    assert rate.wait(("c", "calm"), now=121, most=2) == 0


NAMES = ("user", "rule", "source", "currency", "from", "until", "after", "limit", "format", "other")
VALUES = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["2026-02-30", "0001-01-01", "9999-12-31", "0", "1", "1001", "9" * 18, "9" * 19, "csv", "\0"]),
)


async def test_whatever_is_asked_is_answered_as_the_document_says(partner: Partner) -> None:
    token = await partner.token()
    status, body, _headers = await partner.ask("/api/openapi.json", None)
    assert (status, json.loads(body)) == (200, document())
    asked: list[tuple[str, dict[str, str]]] = []

    @settings(max_examples=60, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from([POINTS, LEDGER]), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
    def draw(path: str, query: dict[str, str]) -> None:
        asked.append((path, query))

    draw()
    for path, query in asked:
        status, body, headers = await partner.ask(path, token, **query)
        said = document()["paths"][path]["get"]["responses"]
        assert str(status) in said, (path, query, body)
        assert status < 500, (path, query, body)
        kinds = said[str(status)]["content"]
        kind = headers["Content-Type"].partition(";")[0]
        assert kind in kinds
        if kind == "application/json":
            schema = kinds[kind]["schema"]
            assert set(json.loads(body)) == set(schema["required"])


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

    types("init")
    types("tenant", "add", CAMPUS)
    made = json.loads(types("token", "add", CAMPUS, "power-bi", "--scope", "ledger:read", "--json"))
    listed = types("token", "list", CAMPUS)
    assert "power-bi" in listed
    assert made["token"].rsplit(".", 1)[1] not in listed
    assert "already" in types("token", "add", CAMPUS, "power-bi", "--scope", "ledger:read", code=1)
    assert "points:read" in types("token", "add", CAMPUS, "b", "--scope", "everything", code=1)
    assert "not known" in types("token", "add", "nowhere", "b", "--scope", "ledger:read", code=1)
    types("token", "revoke", CAMPUS, "power-bi")
    assert [row["state"] for row in json.loads(types("token", "list", CAMPUS, "--json"))] == ["revoked"]
