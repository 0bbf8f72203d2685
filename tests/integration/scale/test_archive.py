"""Old months go into files and their rows go; whatever is asked is still right, or says what is in the files."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from catalogue import acts, books
from catalogue.acts import Act
from catalogue.archive import checking, files, making, moving
from catalogue.archive.files import Place
from catalogue.errors import CatalogueError, IntegrityError, RefusedError
from catalogue.finance import closing, liability
from catalogue.proof import keeping, rejected, sums
from catalogue.receive import StoredReceipt
from catalogue.statement import pages
from catalogue.store import months
from catalogue.wallets import audit, dates
from tests.disks import DISK_KIB, small_disk_at
from tests.integration.scale.campus import Campus
from tests.wire_builders import CAMPUS, an_entry
from wire import chain, statement
from wire.receipt import Stand

SEPTEMBER, OCTOBER, NOVEMBER, DECEMBER = (months.begins(f"2026-{month}") for month in ("09", "10", "11", "12"))
NEVER = 10**12


def said(verb: str, campus: str = acts.EVERYWHERE) -> Act:
    return Act(campus=campus, by="test", at=DECEMBER, act=f"archive.{verb}")


async def close(campus: Campus, *, until: str, at: int = DECEMBER) -> None:
    """Close a campus's months up to this one."""
    async with campus.store.writing() as conn:
        while await closing.following(conn, campus.name) <= until:
            await closing.close(conn, campus.name, now=at, by="test")


async def made(campus: Campus, root: Path, *wanted: str) -> list[dict[str, Any]]:
    found = []
    for month in wanted:
        place = Place(root=root, month=month, campus=campus.name)
        found.append(await making.make(campus.store, place, said("make", campus.name)))
    return found


async def dropped(campus: Campus, root: Path, *wanted: str) -> None:
    for month in wanted:
        assert await moving.drop(campus.store, root, month, said("drop")) == [campus.name]


async def live(campus: Campus) -> None:
    """September to November: lots that expire, a spend over two months, a reversal, entries that were set aside."""
    async with campus.store.writing() as conn:
        await campus.store.dialect.make_months(conn, ["2026-09", "2026-10", "2026-11", "2026-12"])
    await campus.deliver({"learner": "ann"}, {"learner": "ben", "amount": 7}, {"learner": "ann"}, at=SEPTEMBER + 5)
    await campus.deliver_bytes([an_entry(4, learner="cat"), an_entry(5, learner="cat", v=2)], at=SEPTEMBER + 6)
    await campus.spend("ann", 15, "tea:1", at=SEPTEMBER + 9)
    await campus.deliver({"learner": "ann", "amount": 20}, at=OCTOBER + 5)
    undone = {"learner": "ben", "amount": -7, "kind": "reversal", "reverses": "1-2", "reason": "undone"}
    await campus.deliver(undone, at=OCTOBER + 6)
    await campus.refund("ann", 5, "tea:1", at=OCTOBER + 7)
    await campus.deliver({"learner": "ann"}, at=NOVEMBER + 5)
    await close(campus, until="2026-10")


async def asked(campus: Campus) -> dict[str, Any]:
    """What must be the same whether old months are here or not."""
    async with campus.store.reading() as conn:
        wallets = [row async for row in books.wallets(conn, campus.name)]
        lots = [await books.lots(conn, campus.name, row["learner"], row["currency"]) for row in wallets]
        history = (await books.history(conn, campus.name, "ann", "points"))[-1]
        return {
            "wallets": wallets,
            "lots": lots,
            "last": history,
            "months": [one async for one in closing.listed(conn, campus.name)],
            "open": await closing.shown(conn, campus.name, "2026-11"),
            "owed": await liability.report(conn, campus.name),
            "statement": await campus_statement(campus),
        }


async def campus_statement(campus: Campus) -> tuple[int, bytes]:
    """Where the agent's statement ends, asked from where the months before November end."""
    async with campus.store.reading() as conn:
        no = await dates.last_before(conn, campus.name, NOVEMBER)
        head = (await pages._walked(conn, campus.name, campus.agent, await _mark(conn, campus, no), no))[1]  # noqa: SLF001 - a position
    body = await pages.page(campus.store, campus.sender(), no, head, now=DECEMBER)
    header = statement.parse(body).header
    assert not header.why
    return header.upto, header.head


async def _mark(conn: Any, campus: Campus, no: int) -> tuple[int, bytes]:
    return await pages._mark(conn, campus.name, campus.agent, no)  # noqa: SLF001 - a position


async def test_everything_is_as_it_was_when_old_months_are_in_files_alone(
    parted_campus: Campus, tmp_path: Path
) -> None:
    await live(parted_campus)
    before = await asked(parted_campus)
    whole = await parted_campus.verified(at=DECEMBER)
    await made(parted_campus, tmp_path, "2026-09", "2026-10")
    assert await asked(parted_campus) == before
    await dropped(parted_campus, tmp_path, "2026-09", "2026-10")
    assert await asked(parted_campus) == before
    report = await parted_campus.verified(at=DECEMBER)
    assert (whole.faults, report.faults) == ([], [])
    assert (whole.entries, report.entries) == (8, 1)
    assert "archive load 2026-10" in report.archived[CAMPUS]


async def test_wallets_go_on_from_what_they_carried_over(parted_campus: Campus, tmp_path: Path) -> None:
    """A spend of lots of September, its refund, a reversal of what September gave, and a rebuild."""
    campus = parted_campus
    await live(campus)
    await made(campus, tmp_path, "2026-09", "2026-10")
    await dropped(campus, tmp_path, "2026-09", "2026-10")
    await campus.spend("ann", 31, "tea:2", at=NOVEMBER + 9)
    await campus.refund("ann", 4, "tea:1", at=NOVEMBER + 10)
    undone = {"learner": "ann", "amount": -10, "kind": "reversal", "reverses": "1-1", "reason": "undone"}
    await campus.deliver(undone, at=NOVEMBER + 11)
    assert (await campus.verified(at=DECEMBER)).faults == []
    async with campus.store.writing() as conn:
        await conn.execute(text("UPDATE wallet SET balance = 99 WHERE learner IN ('ann', 'cat')"))
    async with campus.store.reading() as conn:
        found = await audit.astray(conn, CAMPUS)
    async with campus.store.writing() as conn:
        assert await audit.rebuild(campus.store, conn, CAMPUS, found) == 2
    after = await asked(campus)
    assert await moving.load(campus.store, tmp_path, "2026-09", said("load")) == ["2026-10", "2026-09"]
    assert await asked(campus) == after
    assert (await campus.verified(at=DECEMBER)).faults == []


async def test_what_is_brought_back_is_what_went(parted_campus: Campus, tmp_path: Path) -> None:
    async def rows() -> list[Any]:
        async with parted_campus.store.reading() as conn:
            return [
                (await conn.execute(text(f"SELECT * FROM {table} ORDER BY posted_at, {key}"))).all()
                for table, key in (("entry", "seq"), ("batch", "first_seq"), ("movement", "no"))
            ]

    await live(parted_campus)
    before = await rows()
    await made(parted_campus, tmp_path, "2026-09", "2026-10")
    await dropped(parted_campus, tmp_path, "2026-09", "2026-10")
    assert await rows() != before
    with pytest.raises(CatalogueError, match="not in the archive alone"):
        await moving.load(parted_campus.store, tmp_path, "2026-11", said("load"))
    older = tmp_path / "2026-09" / CAMPUS / "movement.parquet"
    whole = older.read_bytes()
    older.write_bytes(whole[:-1])
    with pytest.raises(IntegrityError, match="was changed"):
        await moving.load(parted_campus.store, tmp_path, "2026-10", said("load"))
    older.write_bytes(whole)
    assert await moving.load(parted_campus.store, tmp_path, "2026-10", said("load")) == ["2026-10"]
    assert (await parted_campus.verified(at=DECEMBER)).faults == []
    await dropped(parted_campus, tmp_path, "2026-10")
    await moving.load(parted_campus.store, tmp_path, "2026-09", said("load"))
    assert await rows() == before
    assert (await parted_campus.verified(at=DECEMBER)).entries == 8


async def test_a_campus_hears_of_spends_of_who_earned_nothing_since_the_archive(
    parted_campus: Campus, tmp_path: Path
) -> None:
    """Cat's wallet is carried over whole: nothing that is here names its agent."""
    campus = parted_campus
    await live(campus)
    await made(campus, tmp_path, "2026-09", "2026-10")
    before = await asked(campus)
    await campus.spend("cat", 3, "cocoa:1", at=NOVEMBER + 9)
    here = await asked(campus)
    assert here["statement"] != before["statement"]
    await dropped(campus, tmp_path, "2026-09", "2026-10")
    assert (await asked(campus))["statement"] == here["statement"]
    await campus.refund("cat", 3, "cocoa:1", at=NOVEMBER + 10)
    gone = await asked(campus)
    assert (await campus.verified(at=DECEMBER)).faults == []
    await moving.load(campus.store, tmp_path, "2026-09", said("load"))
    assert (await asked(campus))["statement"] == gone["statement"]


async def test_an_agent_that_asks_for_what_is_in_files_is_told_so(parted_campus: Campus, tmp_path: Path) -> None:
    campus = parted_campus
    await live(campus)
    await made(campus, tmp_path, "2026-09", "2026-10")
    await dropped(campus, tmp_path, "2026-09", "2026-10")
    async with campus.store.reading() as conn:
        for wanted in (keeping.history(conn, campus.sender(), 1, 0), sums.after(conn, campus.sender(), 1, 3)):
            with pytest.raises(RefusedError, match="archive load 2026-10") as caught:
                await wanted
            assert (caught.value.status, caught.value.code) == (410, "archived")
        assert (await keeping.history(conn, campus.sender(), 1, 7)).batch == campus.sent[-1]
    with pytest.raises(RefusedError, match="archive load 2026-10"):
        await pages.page(campus.store, campus.sender(), 0, chain.GENESIS, now=DECEMBER)
    answer = await campus.send(campus.sent[2], at=DECEMBER)
    assert isinstance(answer, Stand)
    assert (answer.why, answer.seq, answer.head) == ("archived", campus.seq, campus.head)
    assert isinstance(await campus.send(campus.sent[-1], at=DECEMBER), StoredReceipt)


async def test_what_was_set_aside_stays_and_can_be_accepted_after_its_month_went(
    parted_campus: Campus, tmp_path: Path
) -> None:
    campus = parted_campus
    await live(campus)
    await made(campus, tmp_path, "2026-09", "2026-10")
    await dropped(campus, tmp_path, "2026-09", "2026-10")
    async with campus.store.writing() as conn:
        assert [row["seq"] for row in await rejected.listed(conn, CAMPUS)] == [5]
        await conn.execute(text("ALTER TABLE entry_rest DISABLE TRIGGER USER"))
        body = {"body": an_entry(5, learner="cat")}  # as if this program knew what was new then
        await conn.execute(text("UPDATE entry_rest SET body = :body WHERE seq = 5"), body)
        await conn.execute(text("ALTER TABLE entry_rest ENABLE TRIGGER USER"))
        await rejected.accept(campus.store, conn, CAMPUS, campus.agent, 5, by="t", reason="r", now=NOVEMBER + 9)
    report = await campus.verified(at=DECEMBER)
    assert report.faults == []
    clone = await Campus.made(campus.store, campus.key, agent="agent-2")
    with pytest.raises(RefusedError, match="this history is agent-1's"):
        await clone.deliver({"learner": "ann"}, at=DECEMBER)


async def test_only_what_is_closed_and_follows_goes_into_files(parted_campus: Campus, tmp_path: Path) -> None:
    await live(parted_campus)
    with pytest.raises(CatalogueError, match="open month in 2026-11"):
        await made(parted_campus, tmp_path, "2026-11")
    with pytest.raises(CatalogueError, match="has books of 2026-09 before"):
        await made(parted_campus, tmp_path, "2026-10")
    other = await Campus.made(parted_campus.store, parted_campus.key, name="elsewhere")
    await other.deliver({}, at=SEPTEMBER + 9)
    await made(parted_campus, tmp_path, "2026-09", "2026-09", "2026-10")
    with pytest.raises(CatalogueError, match="not archived for 1 campuses, such as elsewhere"):
        await moving.drop(parted_campus.store, tmp_path, "2026-09", said("drop"))
    await close(other, until="2026-09")
    await made(other, tmp_path, "2026-09")
    with pytest.raises(CatalogueError, match="2026-09 is older"):
        await moving.drop(parted_campus.store, tmp_path, "2026-10", said("drop"))
    assert await moving.drop(parted_campus.store, tmp_path, "2026-09", said("drop")) == ["elsewhere", CAMPUS]
    with pytest.raises(CatalogueError, match="in the archive alone"):
        await made(parted_campus, tmp_path, "2026-09")
    assert (await parted_campus.verified(at=DECEMBER)).faults == []


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("entry.parquet", "was changed"), ("manifest.json", "is not the one"), ("batch.parquet", "cannot be read")],
)
async def test_nothing_goes_whose_file_is_not_what_was_written(
    parted_campus: Campus, tmp_path: Path, name: str, wrong: str
) -> None:
    await live(parted_campus)
    await made(parted_campus, tmp_path, "2026-09")
    path = tmp_path / "2026-09" / CAMPUS / name
    if wrong == "cannot be read":
        path.unlink()
    else:
        whole = path.read_bytes()
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    with pytest.raises(IntegrityError, match=wrong):
        await moving.drop(parted_campus.store, tmp_path, "2026-09", said("drop"))
    assert (await parted_campus.verified(at=DECEMBER)).entries == 8


async def test_rows_that_no_file_has_are_not_let_go_of(parted_campus: Campus, tmp_path: Path) -> None:
    await live(parted_campus)
    await made(parted_campus, tmp_path, "2026-09")
    async with parted_campus.store.writing() as conn:
        forged = "SELECT campus, agent, epoch, 99, body, rejected, posted_at FROM entry WHERE seq = 2"
        await conn.execute(text(f"INSERT INTO entry {forged}"))
    with pytest.raises(IntegrityError, match="has 6 rows of uni-example, its file 5"):
        await moving.drop(parted_campus.store, tmp_path, "2026-09", said("drop"))


async def test_a_disk_that_is_full_is_told_and_nothing_is_archived(campus: Campus, tmp_path: Path) -> None:
    await live(campus)
    with small_disk_at(tmp_path / "disk") as disk:
        with pytest.raises(OSError, match="No space"):
            (disk / "rest").write_bytes(bytes(2 * DISK_KIB * 2**10))
        with pytest.raises(CatalogueError, match=r"cannot be written: .*No space"):
            await made(campus, disk, "2026-09")
        (disk / "rest").unlink()
        (manifest,) = await made(campus, disk, "2026-09")
    assert manifest["files"]["entry"]["rows"] == 5


async def test_a_batch_comes_in_while_a_month_goes(parted_campus: Campus, tmp_path: Path) -> None:
    await live(parted_campus)
    await made(parted_campus, tmp_path, "2026-09")

    async def delivering() -> None:
        for n in range(5):
            assert isinstance(await parted_campus.deliver({"learner": "ann"}, at=NOVEMBER + 20 + n), StoredReceipt)

    await asyncio.gather(delivering(), dropped(parted_campus, tmp_path, "2026-09"))
    assert (await parted_campus.verified(at=DECEMBER)).faults == []


async def test_an_embedded_catalogue_writes_files_and_keeps_its_months(
    campus: Campus, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    await live(campus)
    (manifested,) = await made(campus, tmp_path, "2026-09")
    place = Place(root=tmp_path, month="2026-09", campus=CAMPUS)
    manifest = bytes.fromhex(files.hashed(place.folder / files.MANIFEST))
    assert checking.check(place, manifest) == []
    assert manifested["sums"] == [["points", "award", 4, 37, 0], ["points", "spend", 1, -15, 0]]
    if "sqlite" in request.node.name:
        with pytest.raises(CatalogueError, match="keeps all its months"):
            await moving.drop(campus.store, tmp_path, "2026-09", said("drop"))
    async with campus.store.writing() as conn:
        await acts.check(conn, CAMPUS, pytest.fail)
