"""The catalogue's books: what is stored is guarded, and `verify` finds every single thing that was changed."""

from __future__ import annotations

import dataclasses
import functools
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from catalogue import books, ingest, receive, tenants
from catalogue.app import wall_clock
from catalogue.errors import CatalogueError, ConfigError, RefusedError
from catalogue.proof import rejected
from catalogue.schema import metadata
from catalogue.store import Store
from catalogue.verify import Report, verify
from tests.contract.catalogues import Hand, RealCatalogue, running_catalogue
from tests.wire_builders import CAMPUS, an_entry, entries
from wire import keys
from wire.enrolment import EnrolRequest, Token


@pytest.fixture(params=["sqlite", "postgresql"])
async def real(request: pytest.FixtureRequest, tmp_path: Path, catalogue_file: Path) -> AsyncIterator[RealCatalogue]:
    url = f"sqlite:///{shutil.copy(catalogue_file, tmp_path / 'books.db')}"
    if request.param == "postgresql":
        url = request.getfixturevalue("catalogue_database").dsn
    async with running_catalogue(tmp_path, url) as made:
        yield made


@pytest.fixture
async def hand(real: RealCatalogue, tmp_path: Path) -> AsyncIterator[Hand]:
    made = Hand(real, tmp_path)
    await made.enrol(await real.add_tenant(CAMPUS))
    await made.deliver(entries(1, 5))
    await made.deliver([an_entry(6), an_entry(7, kind="gift"), an_entry(8)])
    await made.deliver([an_entry(9, entry_id="2-9")], epoch=2)
    yield made
    await made.client.close()


async def verified(real: RealCatalogue) -> Report:
    async with real.store.reading() as conn:
        return await verify(conn, real.key.public, now=wall_clock())


async def execute(real: RealCatalogue, *statements: str) -> None:
    async with real.store.writing() as conn:
        for statement in statements:
            await conn.execute(text(statement))


def unguarded(real: RealCatalogue, table: str, statement: str) -> list[str]:
    """``statement`` as somebody with the database's own rights could run it."""
    if "sqlite" in type(real.store.dialect).__name__.lower():
        return [f"DROP TRIGGER {table}_refuses_update", f"DROP TRIGGER {table}_refuses_delete", statement]
    return [f"ALTER TABLE {table} DISABLE TRIGGER {table}_refuses", statement]


async def test_sound_books_verify_and_are_counted(real: RealCatalogue, hand: Hand) -> None:
    report = await verified(real)
    assert report.faults == []
    assert (report.agents, report.batches, report.entries, report.wallets) == (1, 3, 9, 6)


@pytest.mark.parametrize("table", ["entry", "batch", "movement"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET campus = 'x'", "DELETE FROM {}"])
async def test_entries_and_batches_refuse_to_be_changed(
    real: RealCatalogue, hand: Hand, table: str, statement: str
) -> None:
    with pytest.raises(DBAPIError, match="only grow"):
        await execute(real, statement.format(table))
    assert (await verified(real)).faults == []


@pytest.mark.parametrize(
    ("table", "statement", "wrong"),
    [
        ("wallet", "UPDATE wallet SET balance = balance + 1 WHERE learner = 'learner2'", "its movements say"),
        ("wallet", "UPDATE wallet SET earned = 7 WHERE learner = 'learner2'", "its movements say"),
        ("wallet", "DELETE FROM wallet WHERE learner = 'learner2'", "is missing"),
        (
            "wallet",
            "INSERT INTO wallet VALUES ('uni-example', 'nobody', 'points', 5, 5, 0, NULL, 0)",
            "its movements say 0",
        ),
        ("movement", "UPDATE movement SET amount = 11 WHERE no = 3", "the ledger gave learner3 11 points"),
        ("movement", "UPDATE movement SET prev_no = 1 WHERE no = 3", "as its wallet's one before"),
        ("movement", "UPDATE movement SET posted_at = 5 WHERE no = 3", "dated before the one before"),
        ("movement", "UPDATE movement SET waived = 3 WHERE no = 3", "hold 10 points, not 13"),
        ("movement", "UPDATE movement SET expires_at = 9 WHERE no = 3", "its wallet is looked at never"),
        ("movement", "DELETE FROM movement WHERE no = 8", "its movements end at 7"),
        ("movement", "DELETE FROM movement WHERE no = 3", "follows 2"),
        ("agent", "UPDATE agent SET seq = 8", "stands at 8"),
        ("entry", "DELETE FROM entry WHERE seq = 4", "entry 4 is missing"),
        ("entry", "DELETE FROM entry WHERE seq = 9", "entry 9 is missing"),
        ("entry", "UPDATE entry SET rejected = NULL WHERE seq = 7", "says something else"),
        ("entry", "UPDATE entry SET rejected = 'x' WHERE seq = 6", "says something else"),
        ("batch", "DELETE FROM batch WHERE first_seq = 9", "beyond the last batch"),
        ("batch", "UPDATE batch SET header = head WHERE first_seq = 1", "not the batch that was received"),
        ("batch", "UPDATE batch SET signature = '{}' WHERE first_seq = 6", "receipt is not ours"),
        ("batch", "UPDATE batch SET head = digest WHERE first_seq = 6", "ends in another hash"),
    ],
)
async def test_whatever_was_changed_behind_its_back_is_found(
    real: RealCatalogue, hand: Hand, table: str, statement: str, wrong: str
) -> None:
    guarded = table in {"entry", "batch", "movement"}
    await execute(real, *(unguarded(real, table, statement) if guarded else [statement]))
    faults = (await verified(real)).faults
    assert any(wrong in fault for fault in faults), faults


async def test_a_changed_entry_is_found_by_the_chain_and_by_the_wallet(real: RealCatalogue, hand: Hand) -> None:
    changed = an_entry(3, amount=1000)
    for statement in unguarded(real, "entry", "SELECT 1"):
        await execute(real, statement)
    async with real.store.writing() as conn:
        await conn.execute(text("UPDATE entry SET body = :body WHERE seq = 3"), {"body": changed})
    faults = "\n".join((await verified(real)).faults)
    assert "the chain over the stored bytes" in faults
    assert "the ledger gave learner3 10 points, its entries say 1000" in faults


async def test_the_migrations_make_the_tables_that_the_program_thinks_of(real: RealCatalogue) -> None:
    for table in metadata.sorted_tables:
        async with real.store.reading() as conn:
            rows = await conn.execute(table.select())
            assert list(rows.keys()) == [column.name for column in table.columns]
            own = table.name == "catalogue_key"  # the centre's, of no campus
            assert own or table.primary_key.columns.keys()[0] == "campus"


async def test_an_upgrade_of_what_is_new_changes_nothing(real: RealCatalogue, hand: Hand) -> None:
    assert not await real.store.upgrade()
    assert (await verified(real)).entries == 9


async def test_every_entry_is_exported_with_why_it_was_rejected(real: RealCatalogue, hand: Hand) -> None:
    async with real.store.reading() as conn:
        rows = [books.as_columns(row) async for row in books.entries(conn, CAMPUS)]
    assert [(row["epoch"], row["seq"]) for row in rows] == [(1, seq) for seq in range(1, 9)] + [(2, 9)]
    assert [row["seq"] for row in rows if row["rejected"]] == [7]
    assert tuple(rows[0]) == books.COLUMNS
    assert rows[0]["rule_id"] == "lesson-completed"


async def test_export_and_wallets_go_on_over_their_pages(real: RealCatalogue, tmp_path: Path) -> None:
    many = Hand(real, tmp_path, campus="many")
    await many.enrol(await real.add_tenant("many"))
    for first in (1, 1001, 2001):
        await many.deliver([an_entry(seq, learner=f"l{seq:05}") for seq in range(first, min(first + 1000, 2501))])
    await many.client.close()
    async with real.store.reading() as conn:
        assert [row.seq async for row in books.entries(conn, "many", "agent-1")] == list(range(1, 2501))
        assert len([row async for row in books.wallets(conn, "many")]) == 2500
        one = [row async for row in books.wallets(conn, "many", learner="l00007", currency="points")]
    assert one == [{"learner": "l00007", "currency": "points", "balance": 10}]


async def test_a_wallet_that_would_burst_is_spared_and_the_rest_is_posted(real: RealCatalogue, tmp_path: Path) -> None:
    rich = Hand(real, tmp_path, campus="rich")
    await rich.enrol(await real.add_tenant("rich"))
    await execute(real, f"INSERT INTO wallet VALUES ('rich', 'r', 'points', {ingest.BALANCE_MAX - 5}, 0, 0, NULL, 0)")
    taken = await rich.deliver([an_entry(1, learner="r"), an_entry(2, learner="s"), an_entry(3, learner="r", amount=5)])
    await rich.client.close()
    assert [item.seq for item in taken.rejected] == [1]
    assert (await real.wallets("rich"))["r", "points"] == ingest.BALANCE_MAX


async def test_an_entry_that_would_burst_what_was_ever_earned_is_set_aside_and_taken_when_there_is_room(
    real: RealCatalogue, tmp_path: Path
) -> None:
    """What was earned and expired since is counted on, so it left the column's range while the balance was small."""
    rich = Hand(real, tmp_path, campus="rich")
    await rich.enrol(await real.add_tenant("rich"))
    beyond = 2**63 - 1 - 5  # as a wallet may stand that was let go so far
    for name, earned in (("r", ingest.BALANCE_MAX - 5), ("o", beyond)):
        await execute(real, f"INSERT INTO wallet VALUES ('rich', '{name}', 'points', 0, {earned}, 0, NULL, 0)")
    less = {"amount": -8, "kind": "adjustment"}
    bodies = [an_entry(1, learner="r", amount=7), an_entry(2, learner="s"), an_entry(3, learner="r", amount=5)]
    bodies += [an_entry(4, learner="o"), an_entry(5, learner="o", **less), an_entry(6, learner="r", **less)]
    taken = await rich.deliver(bodies)
    await rich.client.close()
    assert [(item.seq, "earned in all would go beyond" in item.reason) for item in taken.rejected] == [
        (1, True),
        (4, True),
    ]
    accepting = functools.partial(rejected.accept, real.store, by="a desk", reason="room again", now=wall_clock())
    async with real.store.writing() as conn:
        assert (await accepting(conn, "rich", "agent-1", 1))["amount"] == 7
        with pytest.raises(CatalogueError, match=r"agent-1: what the wallet earned in all would go beyond"):
            await accepting(conn, "rich", "agent-1", 4)
        found = (await conn.execute(text("SELECT learner, earned FROM wallet ORDER BY learner"))).all()
    assert found == [("o", beyond - 8), ("r", ingest.BALANCE_MAX - 1), ("s", 10)]


async def test_an_entry_beyond_all_measure_is_kept_and_set_aside(real: RealCatalogue, hand: Hand) -> None:
    taken = await hand.deliver([an_entry(10, entry_id="2-10", reason="r" * ingest.ENTRY_BYTES_MAX)], epoch=2)
    assert "more than an entry may have" in taken.rejected[0].reason
    report = await verified(real)
    assert (report.entries, report.faults) == (10, [])


async def test_an_expired_token_enrols_nobody(real: RealCatalogue, tmp_path: Path) -> None:
    public = keys.create(tmp_path / "late").public
    async with real.store.writing() as conn:
        await tenants.add_tenant(conn, "late", title="", environment="production", now=100)
        token = await tenants.new_token(conn, "late", real.key.fingerprint, expires_at=200)
        wish = EnrolRequest(campus="late", environment="production", secret=token.secret, public=public)
        with pytest.raises(RefusedError, match="expired"):
            await tenants.enrol(conn, wish, now=201)
        assert await tenants.enrol(conn, wish, now=200) == ("agent-1", 1)


async def test_a_key_that_was_shut_out_since_is_not_enrolled_again_by_its_old_token(
    real: RealCatalogue, tmp_path: Path
) -> None:
    """It was told that all was well, and was refused with everything that followed."""
    lost, found = (keys.create(tmp_path / name).public for name in ("lost", "found"))
    async with real.store.writing() as conn:
        await tenants.add_tenant(conn, "shut", title="", environment="production", now=100)

    async def enrol(token: Token, public: bytes) -> tuple[str, int]:
        wish = EnrolRequest(campus="shut", environment="production", secret=token.secret, public=public)
        async with real.store.writing() as conn:
            return await tenants.enrol(conn, wish, now=150)

    async def token(name: str | None = None) -> Token:
        async with real.store.writing() as conn:
            return await tenants.new_token(conn, "shut", real.key.fingerprint, expires_at=200, name=name)

    first = await token()
    assert await enrol(first, lost) == await enrol(first, lost) == ("agent-1", 1)
    async with real.store.writing() as conn:
        await tenants.revoke_agent(conn, "shut", "agent-1")
    with pytest.raises(RefusedError, match="revoked: make a new key and enrol it with a new token"):
        await enrol(first, lost)
    second = await token("agent-1")
    assert await enrol(second, found) == await enrol(second, found) == ("agent-1", 2)
    with pytest.raises(RefusedError, match="this key was replaced"):
        await enrol(first, lost)


async def test_only_the_digest_of_a_token_is_kept(real: RealCatalogue, hand: Hand) -> None:
    async with real.store.writing() as conn:
        token = await tenants.new_token(conn, CAMPUS, real.key.fingerprint, expires_at=200)
        rows = (await conn.execute(text("SELECT * FROM enrolment"))).all()
    assert token.secret not in repr(rows)
    assert token.secret.encode() not in repr(rows).encode()


async def test_unknown_campuses_and_agents_are_named(real: RealCatalogue) -> None:
    async with real.store.writing() as conn:
        with pytest.raises(CatalogueError, match="no campus nowhere"):
            await tenants.set_tenant_state(conn, "nowhere", "suspended")
        with pytest.raises(CatalogueError, match="no agent"):
            await tenants.revoke_agent(conn, "nowhere", "agent-1")
        with pytest.raises(CatalogueError, match="cannot be a campus"):
            await tenants.add_tenant(conn, "a/b", title="", environment="production", now=1)


async def test_a_failure_in_the_middle_of_a_batch_leaves_nothing(
    real: RealCatalogue, hand: Hand, tmp_path: Path
) -> None:
    before = await real.wallets(CAMPUS)
    later = wall_clock() + 86_400
    await execute(real, f"INSERT INTO closed_month VALUES ('{CAMPUS}', '2026-09', {later}, 1, 9, 1, 'x')")
    answer = await hand.send(hand.seal([an_entry(seq, entry_id=f"2-{seq}") for seq in (10, 11, 12)], epoch=2))
    assert answer.status == 503
    assert answer.header("retry-after")
    assert await real.wallets(CAMPUS) == before
    assert (await hand.stand()).seq == 9


async def test_an_agent_is_told_where_it_stands_while_somebody_writes_to_its_row(
    real: RealCatalogue, hand: Hand
) -> None:
    async with real.store.writing() as conn:
        await conn.execute(text(f"UPDATE agent SET skew_s = 1 WHERE campus = '{CAMPUS}'"))
        assert (await hand.stand()).seq == 9


async def test_an_agent_that_has_nothing_to_deliver_is_heard_all_the_same(real: RealCatalogue, hand: Hand) -> None:
    await execute(real, f"UPDATE agent SET heard_at = 1 WHERE campus = '{CAMPUS}'")
    await hand.stand()
    async with real.store.reading() as conn:
        (found,) = await tenants.agents(conn, CAMPUS)
    assert found["heard_at"] > 1


async def test_a_database_without_a_catalogue_is_told_with_the_command_that_makes_one(tmp_path: Path) -> None:
    from sqlalchemy import make_url  # noqa: PLC0415

    with pytest.raises(ConfigError, match="no catalogue in it") as caught:
        await Store.open(make_url(f"sqlite:///{tmp_path}/empty.db"))
    assert "rewards-catalogue init" in caught.value.hint


async def test_the_receive_function_answers_a_known_batch_without_writing(real: RealCatalogue, hand: Hand) -> None:
    from wire import batch  # noqa: PLC0415

    async with real.store.reading() as conn:
        sender = await tenants.find_sender(conn, CAMPUS, "agent-1", hand.key.fingerprint)
    assert sender is not None
    again = batch.envelope(hand.seal(entries(1, 5), first=1, previous=bytes(32)))
    answer = await receive.receive(real.store, real.key, sender, again, now=5)
    assert isinstance(answer, receive.StoredReceipt)
    assert b'"received_at":5' not in answer.body
    unopened = dataclasses.replace(again, below=b"nothing of this is looked at")
    assert await receive.receive(real.store, real.key, sender, unopened, now=5) == answer
