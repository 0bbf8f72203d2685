"""Another program keeps a campus's rewards with a token: on each database, over real HTTP."""

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
from yarl import URL

from catalogue import acts
from catalogue.api import reading, tokens
from catalogue.api.document import document
from catalogue.api.rewards import labels
from catalogue.app import Door, wall_clock
from catalogue.redemption import records
from catalogue.redemption.checks import Wish
from catalogue.redemption.desk import Desk
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.integration.wallets.bank import ANN, NOW, Bank
from tests.wire_builders import CAMPUS

TEA: dict[str, Any] = {"title": "A cup of tea", "price": {"points": 50}, "cost": "1.50 GBP"}
SHELF = "/api/rewards"


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        await made.add_tenant(CAMPUS)
        yield made


class Program:
    """Another program with one token."""

    def __init__(self, real: RealCatalogue, session: aiohttp.ClientSession) -> None:
        self.real = real
        self.token = ""
        self._session = session

    async def enter(self, *scopes: str, name: str = "shop", per_minute: int = 300) -> str:
        async with self.real.store.writing() as conn:
            wanted = list(scopes or tokens.SCOPES)
            self.token = await tokens.add(
                conn, CAMPUS, name, wanted, expires_at=2**40, by="a test", now=NOW, per_minute=per_minute
            )
        return self.token

    async def does(self, method: str, path: str | URL, body: Any = None, **query: str) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {self.token}"}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        url = path if isinstance(path, URL) else f"{self.real.url}{path}"
        async with self._session.request(method, url, params=query, data=data, headers=headers) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text

    async def puts(self, name: str, **fields: Any) -> int:
        return (await self.does("PUT", f"{SHELF}/{name}", TEA | fields))[0]


@pytest.fixture
async def program(real: RealCatalogue) -> AsyncIterator[Program]:
    async with aiohttp.ClientSession() as session:
        made = Program(real, session)
        await made.enter()
        yield made


async def test_a_program_puts_shows_changes_approves_and_takes_away_a_reward(program: Program) -> None:
    tea = f"{SHELF}/tea"
    assert await program.puts("tea") == 201
    assert await program.puts("tea") == 200
    status, shown = await program.does("GET", tea)
    assert (status, shown["cost"], shown["approved"], shown["owner"]) == (200, "1.50 GBP", False, CAMPUS)
    assert (await program.does("PUT", f"{tea}/approval"))[1]["approved"]
    assert await program.puts("tea", price={"points": 60}) == 200
    assert not (await program.does("DELETE", f"{tea}/approval"))[1]["approved"]
    assert (await program.does("DELETE", tea))[0] == 204
    assert (await program.does("GET", tea))[0] == 404
    async with program.real.store.reading() as conn:
        done = [one async for one in acts.listed(conn, {"campus": CAMPUS, "by": "token shop"})]
    names = [one["act"] for one in reversed(done)]
    assert names == ["reward.put", "reward.approve", "reward.put", "reward.withdraw", "reward.remove"], (
        "what changes something is written down, and the same again is not"
    )


async def test_what_is_wrong_with_a_reward_is_told_and_nothing_is_kept(program: Program) -> None:
    for body, status, why in (
        (TEA | {"price": {}}, 400, "price"),
        (TEA | {"colour": "green"}, 400, "colour"),
        (TEA | {"funding": "discount"}, 400, "costs the institution nothing"),
        (TEA | {"brand": "acme"}, 409, "names what is not there"),
        (b'{"title": "a", "title": "b"}', 400, "twice"),
        (b"[]", 400, "an object"),
        (b"{" * 100_000, 413, "bytes"),
        (b"[" * 60_000, 400, "no JSON"),
    ):
        got, told = await program.does("PUT", f"{SHELF}/tea", body)
        assert (got, why in told["message"]) == (status, True), told
    assert (await program.does("PUT", f"{SHELF}/ledger", TEA))[0] == 400
    assert (await program.does("PUT", f"{SHELF}/Tea!", TEA))[0] == 400
    assert (await program.does("GET", SHELF))[1]["rewards"] == []


async def test_the_shelf_is_read_page_by_page_with_filters(program: Program) -> None:
    for name in ("a", "b", "c", "d"):
        await program.puts(name, type="item" if name == "c" else "voucher")
    async with program.real.store.writing() as conn:
        shared = shelf.described({"id": "b", "title": "Everybody's", "price": {"points": 1}, "state": "paused"})
        await shelf.put(conn, "*", shared, now=NOW)
    seen: list[tuple[str, str]] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        _, page = await program.does("GET", SHELF, **query)
        seen += [(one["id"], one["owner"]) for one in page["rewards"]]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert seen == [("a", CAMPUS), ("b", "*"), ("b", CAMPUS), ("c", CAMPUS), ("d", CAMPUS)]
    assert [one["id"] for one in (await program.does("GET", SHELF, type="item"))[1]["rewards"]] == ["c"]
    _, page = await program.does("GET", SHELF, type="voucher", category="general", limit="2", after=f"a {CAMPUS}")
    assert ([one["id"] for one in page["rewards"]], page["next"]) == (["b", "d"], None), (
        "no page is short before the end"
    )
    assert (await program.does("GET", SHELF, type="voucher", category="food"))[1]["rewards"] == []
    await program.puts("c", type="voucher")
    assert (await program.does("GET", SHELF, type="item"))[1]["rewards"] == []
    async with program.real.store.reading() as conn:
        vouchers = await shelf.page(conn, CAMPUS, rows=2, asked=shelf.Asked(type="voucher"))
    assert [one.reward.id for one in vouchers] == ["a", "b"], "the database reads no other"
    assert [one["owner"] for one in (await program.does("GET", SHELF, state="paused"))[1]["rewards"]] == ["*"]
    names = (await program.does("GET", "/api/reward_types"))[1]["names"]
    assert {"name": "voucher", "title": "Voucher", "description": "", "owner": "*"} in names
    assert (await program.does("GET", "/api/reward_groups"))[1] == {"names": [], "next": None}


async def test_a_program_makes_shows_changes_and_forgets_the_names_that_rewards_are_sorted_by(program: Program) -> None:
    for path, kind in labels.PATHS.items():
        one = f"{path}/ours"
        assert (await program.does("GET", one))[0] == 404
        assert (await program.does("PUT", one, {"title": "Ours", "description": "a"}))[0] == 201
        assert (await program.does("PUT", one, {"title": "Ours", "description": "a"}))[0] == 200
        shown = (await program.does("PUT", one, {"title": "Ours!"}))[1]
        assert (shown["name"], shown["title"], shown["description"], shown["owner"]) == ("ours", "Ours!", "", CAMPUS)
        assert (await program.does("GET", one))[1] == shown
        assert shown in (await program.does("GET", path))[1]["names"]
        assert await program.puts(
            "tea", **{"groups" if kind == "group" else kind: ["ours"] if kind == "group" else "ours"}
        ) in {200, 201}
        status, told = await program.does("DELETE", one)
        assert (status, told["message"]) == (409, f"reward tea has {kind} ours")
        assert await program.puts("tea") == 200
        assert (await program.does("DELETE", one))[0] == 204
        assert (await program.does("DELETE", one))[0] == 404
    async with program.real.store.reading() as conn:
        done = [one["act"] async for one in acts.listed(conn, {"campus": CAMPUS, "act": "label"})]
    assert done == ["label.remove", "label.put", "label.put"] * len(labels.PATHS)


async def test_a_campuses_own_tier_stands_before_the_usual_one_until_it_is_taken_away(program: Program) -> None:
    gold = "/api/reward_tiers/gold"
    usual = (await program.does("GET", gold))[1]
    assert (usual["owner"], usual["gate"]["earned"]) == ("*", {"points": 500})
    assert (await program.does("DELETE", gold))[0] == 404
    status, own = await program.does("PUT", gold, {"title": "Gold", "gate": {"earned": {"points": 800}}})
    assert (status, own["owner"], own["gate"]["earned"]) == (201, CAMPUS, {"points": 800})
    assert await program.puts("tea", tier="gold") == 201
    assert (await program.does("DELETE", gold))[0] == 204
    assert (await program.does("GET", gold))[1] == usual


async def test_a_till_looks_at_a_voucher_of_its_campus_and_uses_it_once(program: Program, tmp_path: Path) -> None:
    hand = Hand(program.real, tmp_path)
    await hand.enrol(await program.real.add_tenant(CAMPUS))
    await Bank(program.real, hand).award(200, at=wall_clock())
    await hand.client.close()
    await program.puts("tea")
    await program.does("PUT", f"{SHELF}/tea/approval")
    desk = Desk(program.real.store, Vault(bytes(32)))
    wish = Wish(campus=CAMPUS, learner=ANN, reward="tea", key="1")
    made = await desk.redeem(wish, now=wall_clock(), by="a test")
    sent = {"token": desk.token(made)}
    await program.enter("rewards:write", name="writer")
    assert (await program.does("POST", "/api/vouchers/use", sent))[0] == 403
    till = await program.enter("vouchers:use", name="till")
    status, seen = await program.does("POST", "/api/vouchers/look", sent)
    assert (status, seen["redemption"], seen["title"], seen["used_at"]) == (200, made.redemption, TEA["title"], None)
    await program.real.add_tenant("elsewhere")
    async with program.real.store.writing() as conn:
        program.token = await tokens.add(
            conn, "elsewhere", "till", ["vouchers:use"], expires_at=2**40, by="a test", now=NOW
        )
    for path in ("look", "use"):
        status, told = await program.does("POST", f"/api/vouchers/{path}", sent)
        assert (status, told["error"]) == (404, "unknown-token"), "another campus's till"
    program.token = till
    status, used = await program.does("POST", "/api/vouchers/use", sent | {"key": "sale 7"})
    assert (status, used["used_at"] is not None) == (200, True)
    assert (await program.does("POST", "/api/v1/vouchers/use", sent | {"key": "sale 7"})) == (200, used)
    for path, said in (("look", sent), ("use", sent), ("use", sent | {"key": "sale 8"})):
        status, told = await program.does("POST", f"/api/vouchers/{path}", said)
        assert (status, told["error"]) == (409, "used")
    for wrong in ({}, {"token": 1}, {"token": ""}, sent | {"key": ""}, sent | {"more": "x"}, {"token": "x" * 201}):
        assert (await program.does("POST", "/api/vouchers/use", wrong))[0] == 400
    async with program.real.store.reading() as conn:
        (act,) = [one async for one in acts.listed(conn, {"campus": CAMPUS, "act": "redemption.use"})]
        steps = [one["event"] for one in await records.steps(conn, CAMPUS, made.redemption)]
    assert (act["by"], steps.count("used")) == ("token till", 1)
    await desk.refund(CAMPUS, made.redemption, now=wall_clock(), by="a test", why="x", used=True)
    status, told = await program.does("POST", "/api/vouchers/use", sent | {"key": "sale 7"})
    assert (status, told["error"]) == (409, "void")


async def test_names_that_cannot_be_are_refused_and_many_are_read_page_by_page(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    brands = "/api/reward_brands"
    for name, body, status in (
        ("acme", {"title": ""}, 400),
        ("acme", {"title": "a", "gate": {}}, 400),
        ("acme", {"title": "a", "kind": "tier"}, 400),
        ("acme", {}, 400),
        ("Acme", {"title": "a"}, 400),
    ):
        assert (await program.does("PUT", f"{brands}/{name}", body))[0] == status
    for name in ("c", "a-b", "a_b", "a1"):
        assert (await program.does("PUT", f"{brands}/{name}", {"title": name}))[0] == 201
    seen: list[str] = []
    query: dict[str, str] = {"limit": "3"}
    while (page := (await program.does("GET", brands, **query))[1])["next"] is not None:
        seen += [one["name"] for one in page["names"]]
        query["after"] = page["next"]
    assert [*seen, *(one["name"] for one in page["names"])] == ["a-b", "a1", "a_b", "c"]
    monkeypatch.setattr(shelf, "LABELS_MAX", 4)
    assert (await program.does("PUT", f"{brands}/d", {"title": "d"}))[0] == 409
    assert (await program.does("PUT", f"{brands}/c", {"title": "d"}))[0] == 200
    await program.enter("rewards:read", name="reader")
    assert (await program.does("GET", f"{brands}/c"))[0] == 200
    for way in ("PUT", "DELETE"):
        assert (await program.does(way, f"{brands}/c", {"title": "d"}))[0] == 403


async def test_every_path_is_served_under_the_version_by_the_same_handlers(program: Program) -> None:
    assert (await program.does("PUT", "/api/v1/rewards/tea", TEA))[0] == 201
    assert (await program.does("GET", "/api/v1/rewards/tea"))[1] == (await program.does("GET", f"{SHELF}/tea"))[1]
    assert (await program.does("GET", "/api/v1/rewards/ledger"))[1] == {"rows": [], "next": None, "archived": None}
    assert (await program.does("GET", "/api/v1/openapi.json"))[1] == document()
    assert (await program.does("GET", "/api/v2/rewards"))[0] == 404
    paths = document()["paths"]
    assert all(
        paths[path.replace("/api/", "/api/v1/")] == said
        for path, said in paths.items()
        if path.startswith("/api/") and "/v1/" not in path
    )


async def test_a_token_that_may_only_read_changes_nothing_and_shared_rewards_are_not_a_campus_s(
    program: Program,
) -> None:
    async with program.real.store.writing() as conn:
        await shelf.put(conn, "*", shelf.described(TEA | {"id": "all"}), now=NOW)
    assert (await program.does("DELETE", f"{SHELF}/all"))[0] == 404
    assert (await program.does("PUT", f"{SHELF}/all/approval"))[1]["owner"] == "*"
    await program.enter("rewards:read", name="reader")
    assert (await program.does("GET", f"{SHELF}/all"))[0] == 200
    for method, path in (("PUT", "all"), ("DELETE", "all"), ("PUT", "all/approval"), ("DELETE", "all/approval")):
        assert (await program.does(method, f"{SHELF}/{path}", TEA))[0] == 403
    await program.enter("points:read", name="other")
    for path in (SHELF, f"{SHELF}/all", "/api/users_rewards", "/api/reward_types"):
        assert (await program.does("GET", path))[0] == 403


async def test_each_token_has_a_rate_of_its_own(program: Program) -> None:
    await program.enter(name="slow", per_minute=2)
    statuses = [(await program.does("GET", SHELF))[0] for _ in range(5)]
    assert statuses.count(200) <= 4, "a minute may end meanwhile"
    assert 429 in statuses


async def test_the_whole_ledger_streams_as_csv_page_after_page(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE_ROWS_MAX", 4)
    monkeypatch.setattr(reading, "SCANNED_MAX", 3)
    hand = Hand(program.real, tmp_path)
    await hand.enrol(await program.real.add_tenant(CAMPUS))
    bank = Bank(program.real, hand)
    await bank.award(*range(1, 11))
    await bank.award(100, learner="ben")
    await hand.client.close()
    for query, amounts in (
        ({}, [*range(1, 11), 100]),
        ({"user": ANN}, list(range(1, 11))),
        ({"user": ANN, "after": "4"}, list(range(5, 11))),
        ({"user": "ben"}, [100]),
        ({"rule": "none"}, []),
        ({"after": "9"}, [10, 100]),
    ):
        status, text = await program.does("GET", "/api/rewards/ledger", format="csv", limit="all", **query)
        assert status == 200
        assert [int(row["amount"]) for row in csv.DictReader(io.StringIO(text))] == amounts, query
    assert (await program.does("GET", "/api/rewards/ledger", limit="all"))[0] == 400
    _, page = await program.does("GET", "/api/rewards/ledger", rule="none", limit="4")
    assert (page["rows"], page["next"]) == ([], 3), "a page looks at so many movements and no more"


async def test_a_character_that_no_database_can_keep_is_a_bad_question_and_never_kept(program: Program) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", ""), ("PUT", "/approval"), ("DELETE", "/approval")):
        for name in ("%00", "a%00b", "%ED%A0%80", "A%20b"):
            url = URL(f"{program.real.url}{SHELF}/{name}{path}", encoded=True)
            unfit = (method, path) == ("PUT", "") and "00" not in name
            assert (await program.does(method, url, TEA))[0] == (400 if unfit else 404)
    for text in ("a\0b", "\ud800"):
        for path, said in (
            (f"{SHELF}/tea", TEA | {"title": text}),
            ("/api/user_kudos", {"key": text, "giver": ANN, "receiver": "ben", "tag": "helpful"}),
            ("/api/awards", {"key": "1", "receiver": "ben", text: ""}),
        ):
            status, told = await program.does("PUT" if path.startswith(SHELF) else "POST", path, said)
            assert (status, told["error"]) == (400, "body"), (path, text)
    assert await program.puts("tea") == 201
    for user in ("", "a\nb"):
        assert (await program.does("GET", "/api/users_rewards", user=user))[1]["error"] == "parameter"
    much = {"recognition": 10**30, "user": ANN, "key": "1", "text": "x"}
    assert (await program.does("POST", "/api/rewards_comments", much))[0] == 400


async def test_the_document_names_every_path_that_is_served_and_no_other(real: RealCatalogue) -> None:
    door = Door(store=real.store, key=real.key, vault=Vault(bytes(32)))
    served = {
        (route.method.lower(), route.resource.canonical)
        for route in door.app().router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    told = {
        (method, path) for path, methods in document()["paths"].items() for method in methods if method != "parameters"
    }
    assert served - {("get", f"/api/{version}openapi.json") for version in ("", "v1/")} - {("get", "/livez")} == told
