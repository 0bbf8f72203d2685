"""Every command that changes something is written down with who, when, and what it changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import typer
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError

from catalogue import acts, schema
from catalogue.acts import Act, acting
from catalogue.api.rewards import labels
from catalogue.api.versions import PREFIX, VERSIONED
from catalogue.app import Door
from catalogue.cli.app import app
from catalogue.errors import CatalogueError
from catalogue.redemption.vault import Vault
from catalogue.rewards import shelf
from catalogue.store import Store
from tests.contract.catalogues import Hand, RealCatalogue
from tests.integration.operator import CAMPUS, Operator
from tests.integration.redemption.shop import KEY, NOW, Shop
from wire import keys

READS = {
    *("serve", "verify", "doctor", "tenant list", "token list", "agent list", "key show", "site list", "entry list"),
    *("wallet show", "wallet history", "ledger export", "ledger movements", "reward list", "reward export"),
    *("reward labels", "redemption list", "redemption show", "partner list", "audit list"),
    *("budget list", "budget spent", "budget alerts", "issue show"),
    *("finance list", "finance show", "finance export", "finance liability"),
    *("archive list", "archive verify", "wallet links", "wallet find", "tag list", "award list", "award show"),
    *("kudos list", "kudos show", "kudos stats", "kudos trends"),
}
ELSEWHERE = {"archive make", "archive drop", "archive load", "backup", "restore", "scrub"}
"""Typed in tests/integration/scale/test_commands.py, which looks at their acts: months are let go of on PostgreSQL.
Copies of the whole are in tests/integration/service/test_catalogue_backup.py;
scrub, which rewrites files and changes nothing that they say, in tests/integration/people/test_erased_bytes.py."""
PUBLIC = "ab" * 32
SHEET = "id,title,price\nsheet-1,One,points=5\nsheet-2,Two,points=6\n"
DONE = ("--reason", "because")


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    if not hasattr(command, "commands"):
        yield " ".join(path)
        return
    for name, inner in command.commands.items():
        yield from commands(inner, (*path, name))


class Story:
    """One catalogue, on which every command that changes something is typed once."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.operator = Operator(directory / "c")
        self.typed: set[str] = set()

    def types(self, command: str, *words: str, act: str, stdin: str | None = None, also: str = "") -> str:
        self.typed.add(command)
        before = len(self.acts())
        said = self.operator.types(*command.split(), *words, stdin=stdin)
        new = self.acts()
        new = new[: len(new) - before]
        assert {one["act"] for one in new} == {act, also or act}, f"{command}: {new}"
        assert all(one["by"].startswith("operator ") for one in new)
        assert all(one["before"] or one["after"] for one in new)
        return said

    def acts(self) -> list[dict[str, Any]]:
        """Newest first; from the file itself, because it is asked so often."""
        if not self.operator.directory.exists():
            return []
        file = sqlite3.connect(self.operator.directory / "catalogue.db")
        file.row_factory = sqlite3.Row
        rows = [dict(row) for row in file.execute("SELECT * FROM act ORDER BY rowid DESC")]
        file.close()
        return [
            row | {"before": json.loads(row["before"]), "after": json.loads(row["after"]), "hash": ""} for row in rows
        ]

    def redeem(self, reward: str) -> Any:
        return self.operator.asks("redeem", CAMPUS, "ann", reward)


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path)


def test_every_command_that_changes_something_writes_who_did_it_and_what_changed(story: Story) -> None:
    story.types("init", act="database.upgrade")
    _campus(story)
    _rewards(story)
    _budgets(story)
    _redemptions(story)
    _recognition(story)
    _links(story)
    _books(story)
    everything = set(commands(typer.main.get_command(app)))
    assert everything - READS - ELSEWHERE == story.typed
    told = json.dumps(story.acts())
    assert "enrol." not in told
    assert "hush" not in told
    assert "CODE-1" not in told


def _campus(story: Story) -> None:
    token = story.operator.types("tenant", "add", CAMPUS)
    assert [one["act"] for one in story.acts()][:2] == ["tenant.token", "tenant.add"]
    assert token.splitlines()[-1].split(".")[1] not in json.dumps(story.acts())
    story.typed.add("tenant add")
    told = story.types("tenant import", "-", act="tenant.add", stdin="campus\nnorth\n", also="tenant.token")
    assert told.splitlines()[1].split(".")[1] not in json.dumps(story.acts())
    story.types("tenant token", CAMPUS, act="tenant.token")
    story.types("tenant suspend", CAMPUS, act="tenant.suspend")
    story.types("tenant resume", CAMPUS, act="tenant.resume")
    story.operator.types("tenant", "add", "gone")
    story.types("tenant close", "gone", act="tenant.close")
    story.types("agent add", CAMPUS, PUBLIC, act="agent.add")
    story.types("agent add", CAMPUS, "cd" * 32, act="agent.add")
    said = story.types("token add", CAMPUS, "bi", "--scope", "points:read", act="token.add")
    assert said.splitlines()[-1].rsplit(".", 1)[1] not in json.dumps(story.acts())
    story.types("token revoke", CAMPUS, "bi", act="token.revoke")
    story.types("key rotate", act="key.rotate")
    story.operator.sql(f"INSERT INTO site VALUES ('{CAMPUS}', 'moodle', 'agent-1', 1, NULL, NULL)")
    story.types("site move", CAMPUS, "moodle", "agent-2", act="site.move")
    story.types("agent revoke", CAMPUS, "agent-2", act="agent.revoke")


def _rewards(story: Story) -> None:
    url = "http://127.0.0.1:9/orders?key=hush"
    story.types("partner add", "acme", url, act="partner.add")
    story.types("partner pause", "acme", act="partner.pause")
    story.types("partner resume", "acme", act="partner.resume")
    story.types("reward add", CAMPUS, "tea", "--title", "Tea", "--price", "points=5", act="reward.add")
    story.types("reward approve", CAMPUS, "tea", act="reward.approve")
    story.types("reward change", CAMPUS, "tea", "--set", "price=points=7", act="reward.change")
    (change, *_) = story.acts()
    name = f"reward {CAMPUS} tea"
    assert (change["before"][name]["price"], change["after"][name]["price"]) == ({"points": 5}, {"points": 7})
    assert set(change["after"][name]) == {"price", "changed_at"} or set(change["after"][name]) == {"price"}
    story.types("reward import", CAMPUS, "-", stdin=SHEET, act="reward.import")
    assert [sorted(one["after"]) for one in story.acts()[:2]] == [
        [f"reward {CAMPUS} sheet-2"],
        [f"reward {CAMPUS} sheet-1"],
    ]
    story.types("reward remove", CAMPUS, "sheet-1", act="reward.remove")
    story.types("reward label", CAMPUS, "brand", "acme", "--title", "Acme", act="label.put")
    for name, handing in (("card", "partner"), ("code", "codes")):
        partner = ("--partner", "acme") if handing == "partner" else ()
        story.operator.types(
            *("reward", "add", CAMPUS, name, "--title", name, "--price", "points=5"),
            *("--handing", handing, *partner, "--approve"),
        )
    story.types("codes import", CAMPUS, "code", "-", stdin="CODE-1\nCODE-2\n", act="codes.import")
    story.types("codes withdraw", CAMPUS, "code", act="codes.withdraw")
    story.types("codes free", CAMPUS, "code", act="codes.free")


def _budgets(story: Story) -> None:
    story.types("budget set", CAMPUS, "9.00 GBP", act="budget.set")
    story.types("budget remove", CAMPUS, "GBP", act="budget.remove")
    story.types("issue limit", CAMPUS, "1000", act="issue.limit")
    story.types("issue remove", CAMPUS, act="issue.remove")
    story.types("budget policy", CAMPUS, "--timezone", "Europe/London", act="budget.policy")


def _redemptions(story: Story) -> None:
    story.operator.given(500)
    story.types("redeem", CAMPUS, "ann", "tea", act="redemption.add")
    used, spare = story.redeem("tea"), story.redeem("tea")
    story.types("redemption use", used["token"], act="redemption.use")
    story.types("redemption refund", CAMPUS, spare["redemption"], *DONE, act="redemption.refund")
    orders = [story.redeem("card")["redemption"] for _ in range(3)]
    story.types("redemption cancel", CAMPUS, orders[0], *DONE, act="redemption.cancel")
    story.operator.sql("UPDATE redemption SET state = 'unknown' WHERE state = 'reserved'")
    story.types("redemption settle", CAMPUS, orders[1], "declined", *DONE, act="redemption.settle")
    statement = f"redemption,status\n{orders[2]},declined\n"
    story.types("partner reconcile", "acme", "-", stdin=statement, act="partner.reconcile")
    assert {one["why"] for one in story.acts()} >= {"because"}


def _books(story: Story) -> None:
    story.types("finance close", CAMPUS, "1970-01", act="finance.close")
    story.types("finance all", "1970-02", "--close", act="finance.close")
    story.operator.sql("UPDATE wallet SET balance = balance + 1")
    story.types("wallet rebuild", CAMPUS, act="wallet.rebuild")
    for seq in (1, 2):
        story.operator.set_aside(seq, "over the issue limit")
    story.types("entry accept", CAMPUS, "agent-1", "1", "--by", "ann", *DONE, act="entry.accept")
    story.types("entry release", CAMPUS, "--by", "ann", *DONE, act="entry.release")


def _recognition(story: Story) -> None:
    story.types("kudos policy", CAMPUS, "per_giver=5/1d", act="kudos-policy.change")
    story.types("tag put", CAMPUS, "helpful", "--title", "Helpful", act="kudos-tag.put")
    story.types("tag block", CAMPUS, "rude", act="kudos-tag.put")
    story.types("tag remove", CAMPUS, "rude", act="kudos-tag.remove")
    story.types("kudos give", CAMPUS, "ann", "ben", "#helpful hush hush", act="kudos.give")
    story.types("kudos choose", CAMPUS, "ben", "pair", act="kudos.choose")
    story.types("award give", CAMPUS, "shine", "ben", "--message", "hush", act="award.give")
    story.types("kudos comment", CAMPUS, "1", "0", "hide", *DONE, act="comment.hide")
    story.types("kudos hide", CAMPUS, "1", *DONE, act="recognition.hide")
    story.types("kudos unhide", CAMPUS, "1", *DONE, act="recognition.show")
    story.types("kudos revoke", CAMPUS, "1", *DONE, act="recognition.revoke")
    story.types("award revoke", CAMPUS, "2", *DONE, act="award.revoke")
    story.operator.given(1, currency="badge:shine")
    story.types("award catch-up", CAMPUS, act="award.catch-up")


def _links(story: Story) -> None:
    for name, agent in (("cat", "agent-1"), ("dan", "agent-2")):
        tag = f"'{CAMPUS}', '{agent}', '{name}', 'email', '{name}', 0, 'key'"
        story.operator.sql(f"INSERT INTO person_tag VALUES ({tag})")
    story.types("wallet link", CAMPUS, "cat", "dan", *DONE, act="wallet.link")
    story.types("wallet unlink", CAMPUS, "dan", *DONE, act="wallet.unlink")


def test_what_was_done_is_found_by_campus_act_day_and_whom(story: Story) -> None:
    story.operator.types("init")
    story.operator.types("tenant", "add", CAMPUS)
    story.operator.types("tenant", "add", "other")
    story.operator.types("tenant", "suspend", "other")
    by = story.acts()[0]["by"]
    for words, acts_ in (
        (("other",), ["tenant.suspend", "tenant.token", "tenant.add"]),
        (("--act", "tenant.suspend"), ["tenant.suspend"]),
        (("--act", "database"), ["database.upgrade"]),
        (("--act", "ten"), []),
        (("other", "--act", "tenant", "--by", by, "--limit", "1"), ["tenant.suspend"]),
        (("--by", "operator nobody"), []),
        (("--from", "2099-01-01"), []),
        (("--until", "2001-01-01"), []),
        (("*",), ["database.upgrade"]),
        (("--about", "other", "--act", "tenant.add"), ["tenant.add"]),
    ):
        assert [one["act"] for one in story.operator.asks("audit", "list", *words)] == acts_, words
    shown = story.operator.types("audit", "list", "other", "--act", "tenant.suspend")
    assert "tenant other: state active → suspended" in shown
    assert "no day" in story.operator.types("audit", "list", "--from", "soon", code=1)


def _act(verb: str = "put") -> Act:
    return Act(campus=CAMPUS, by="operator test", at=NOW, act=f"reward.{verb}", about="tea")


async def test_an_act_is_written_in_its_own_transaction_or_not_at_all(shop: Shop) -> None:
    tea = shelf.described({"id": "tea", "title": "Tea", "price": {"points": 5}})
    mine = acts.rows(schema.reward, campus=CAMPUS, reward="tea")
    broken = tea.model_copy(update={"brand": "unknown"})

    async def half() -> None:
        async with acting(shop.store, _act(), mine) as conn:
            await shelf.put(conn, CAMPUS, tea, now=NOW)
            await shelf.put(conn, CAMPUS, broken, now=NOW)

    with pytest.raises(CatalogueError, match="names what is not there"):
        await half()
    for _ in range(2):
        async with acting(shop.store, _act(), mine) as conn:
            await shelf.put(conn, CAMPUS, tea, now=NOW)
    async with shop.store.reading() as conn:
        found = [one async for one in acts.listed(conn, {"campus": CAMPUS})]
    assert [(one["no"], one["act"]) for one in found] == [(1, "reward.put")], "what changed nothing is no act"


async def test_no_act_can_be_changed_or_taken_away_and_what_was_is_found(shop: Shop) -> None:
    await shop.shelve("pie")
    for name in ("a", "b", "c"):
        async with shop.store.writing() as conn:
            await acts.note(conn, _act(name), count=1)
    for statement in ("UPDATE act SET by = 'nobody'", "DELETE FROM act"):
        with pytest.raises(DBAPIError, match="not undone"):
            async with shop.store.writing() as conn:
                await conn.execute(text(statement))
    assert await _faults(shop) == []
    async with shop.store.writing() as conn:
        await conn.execute(text("UPDATE act_head SET no = 4"))
    assert await _faults(shop) == [f"{CAMPUS}: 4 acts were written down, there are 3, or the last is another"]


async def _faults(shop: Shop) -> list[str]:
    faults: list[str] = []
    async with shop.store.reading() as conn:
        await acts.check(conn, CAMPUS, faults.append)
    return faults


async def test_what_an_agent_does_to_its_own_keys_is_written_down_too(catalogue: RealCatalogue, tmp_path: Path) -> None:
    hand = Hand(catalogue, tmp_path)
    await hand.enrol(await catalogue.add_tenant(CAMPUS))
    old = hand.key.fingerprint
    await hand.rotate(keys.create(tmp_path / "next.ed25519"))
    async with catalogue.store.reading() as conn:
        found = [one async for one in acts.listed(conn, {"campus": CAMPUS, "act": "agent"})]
    await hand.client.close()
    assert [one["act"] for one in found] == ["agent.key", "agent.enrol"]
    assert [one["by"] for one in found] == ["agent agent-1", f"key {old}"]


ACTS = {
    ("POST", "/v1/enrol"): "agent.enrol",
    ("POST", "/v1/agents/key"): "agent.key",
    ("POST", "/v1/agents/epoch"): "agent.epoch",
    ("POST", "/v1/redemptions/cancel"): "redemption.cancel",
    ("PUT", "/api/rewards/{reward}"): "reward.put",
    ("DELETE", "/api/rewards/{reward}"): "reward.remove",
    ("PUT", "/api/rewards/{reward}/approval"): "reward.approve",
    ("DELETE", "/api/rewards/{reward}/approval"): "reward.withdraw",
    **{("PUT", f"{path}/{{name}}"): "label.put" for path in labels.PATHS},
    **{("DELETE", f"{path}/{{name}}"): "label.remove" for path in labels.PATHS},
    ("POST", "/api/vouchers/use"): "redemption.use",
    ("POST", "/v1/vouchers/use"): "redemption.use",
    ("POST", "/api/awards"): "award.give",
    ("POST", "/api/awards/{id}/moderation"): "award.hide",
    ("POST", "/api/user_kudos/{id}/moderation"): "kudos.hide",
    ("POST", "/api/rewards_comments/{id}/{comment}/moderation"): "comment.hide",
    ("PUT", "/api/kudos_tags/{tag}"): "kudos-tag.put",
    ("DELETE", "/api/kudos_tags/{tag}"): "kudos-tag.remove",
    ("PATCH", "/api/kudos_policy"): "kudos-policy.change",
}
BY_KIND = {"award.give", "award.hide", "kudos.hide"}
"""Made of the kind and what is done; those that commands write stand in the story above."""
OTHERS = {
    ("POST", "/v1/batches"): "what an agent delivers is a chain itself",
    ("POST", "/v1/persons"): "sealed for safe-keeping, signed by the agent",
    ("POST", "/v1/shelf"): "changes nothing",
    ("POST", "/v1/shelf/cohorts"): "changes nothing",
    ("POST", "/v1/vouchers/look"): "changes nothing",
    ("POST", "/api/vouchers/look"): "changes nothing",
    ("POST", "/v1/redemptions"): "what a learner does is told by its steps",
    ("POST", "/v1/allowances"): "a redemption: told by its steps",
    ("POST", "/v1/allowances/settle"): "told by the allowance and the redemption's steps",
    ("POST", "/v1/people"): "what an agent's tags say is kept with who said it",
    ("POST", "/v1/names"): "what learners are called goes with them: no act may keep it",
    ("POST", "/api/names/look"): "changes nothing",
    ("POST", "/api/names/find"): "changes nothing",
    ("POST", "/v1/recognition"): "what learners say to each other is kept itself, with who said it",
    ("POST", "/api/user_kudos"): "as above",
    ("DELETE", "/api/user_kudos/{id}"): "as above",
    ("POST", "/api/rewards_comments"): "as above",
    ("DELETE", "/api/rewards_comments/{id}/{comment}"): "as above",
    ("PUT", "/api/rewards_likes/{id}/{user}"): "as above",
    ("DELETE", "/api/rewards_likes/{id}/{user}"): "as above",
    ("PUT", "/api/kudos_choices/{user}"): "a learner's own choice",
}


def test_every_path_that_changes_something_is_known_to_write_an_act() -> None:
    store = cast("Store", None)
    served = {
        (route.method, route.resource.canonical.replace(VERSIONED, PREFIX))
        for route in Door(store=store, key=KEY, vault=Vault(bytes(32))).app().router.routes()
        if route.resource is not None and route.method not in {"GET", "HEAD"}
    }
    assert served == ACTS.keys() | OTHERS.keys()
    written = "".join(path.read_text("utf-8") for path in Path(acts.__file__).parent.rglob("*.py"))
    for act in set(ACTS.values()) - BY_KIND:
        noun, _, verb = act.partition(".")
        assert f'"{act}"' in written or f'f"{noun}.' in written, verb


async def test_an_act_tells_nothing_of_what_servers_count_meanwhile(shop: Shop) -> None:
    """Who approved a reward while learners redeemed it was said to have taken them from the stock."""
    await shop.shelve(stock=5)
    reward = shelf.described({"id": "tea", "title": "Tea", "price": {"points": 50}})
    mine = {"campus": CAMPUS, "agent": "agent-1"}
    async with shop.store.writing() as conn:
        await conn.execute(
            insert(schema.agent), mine | {"state": "active", "epoch": 1, "seq": 0, "head": b"", "created_at": 0}
        )
    concerned = (acts.rows(schema.offer, campus=CAMPUS), acts.rows(schema.agent, campus=CAMPUS))
    for verb, approved in (("approve", True), ("withdraw", False)):
        said = Act(campus=CAMPUS, by="operator desk", at=NOW, act=f"reward.{verb}", about="tea")
        async with acting(shop.store, said, *concerned) as conn:
            await shelf.take(conn, CAMPUS, CAMPUS, reward)
            await conn.execute(update(schema.agent).values(seq=schema.agent.c.seq + 9, heard_at=NOW, skew_s=3))
            await shelf.approve(conn, CAMPUS, CAMPUS, "tea", approved=approved, now=NOW + (not approved))
    async with shop.store.reading() as conn:
        written = [one async for one in acts.listed(conn, {"campus": CAMPUS})]
    assert [one["after"] for one in written] == [
        {f"offer {CAMPUS} {CAMPUS} tea": {"approved": False, "approved_at": NOW + 1}}
    ]
