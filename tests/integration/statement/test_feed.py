"""The agent's half of the statement: heard from a real catalogue, believed only when it is its own, shown to people."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path

import pytest

from agent.ledger import file
from agent.outbox.statement import feed
from catalogue.app import wall_clock
from catalogue.proof import keys
from catalogue.statement import lines
from tests.contract.catalogues import RealCatalogue, running_catalogue
from tests.fakes import FakeCatalogue, Mood
from tests.integration.outbox.test_new_key import again, lost_key
from tests.integration.statement import centre
from tests.integration.statement.campus import a_campus
from tests.outboxes import delivering
from tests.wire_builders import CAMPUS, NOW
from wire import keys as wire_keys
from wire.entry import AMOUNT_MAX

DAY = 86_400
LONG = 36_500 * DAY
"""What is written at a fixed time lives until a fixed time: beyond any day on which this is run."""


async def test_the_campus_shows_what_the_catalogue_has_and_as_of_when(catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_campus(tmp_path / "a", catalogue, await catalogue.add_tenant(CAMPUS)) as campus:
        await campus.terms(LONG)
        first = await campus.write("ann", 100)
        await campus.write("ben", 50)
        assert await campus.sync()
        await centre.spend(catalogue, "ann", 30, "spend:r1")
        await centre.spend(catalogue, "ann", 20, "spend:r2")
        await centre.refund(catalogue, "ann", 20, "spend:r2")
        assert campus.held("ann").balance == 100, "nobody has heard yet"
        assert await campus.sync()
        assert (campus.held("ann").balance, campus.held("ben").balance) == (70, 50)
        await campus.must_agree(catalogue)
        await centre.let_expire(catalogue, "ann", now=NOW + LONG + DAY)
        await campus.reverse(first)
        assert await campus.sync()
        assert campus.held("ann").balance == -30, "what expired is nobody's, what was spent is owed"
        await campus.must_agree(catalogue)
        told = campus.told()
        assert abs(told["as_of"] - wall_clock()) < 60
        assert (told["posted_seq"], told["lost"], told["last_error"]) == (3, 0, "")


async def test_an_entry_accepted_later_counts_here_from_then_on(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_campus(tmp_path / "a", small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        first = await campus.write("ann", AMOUNT_MAX)
        for _ in range(999):
            await campus.write("ann", AMOUNT_MAX)
        assert await campus.deliver()
        await campus.write("ann", 7)
        assert await campus.deliver()
        assert campus.agent.standing()["rejected"] == 1
        await centre.spend(small_catalogue, "ann", AMOUNT_MAX, "spend:r1")
        assert await campus.sync()
        await campus.must_agree(small_catalogue)
        await campus.reverse(first)
        assert await campus.sync(), "what was earned in all has room again"
        await centre.accept(small_catalogue, "agent-1", 1001)
        assert await campus.sync()
        standing = campus.agent.standing()
        assert (standing["rejected"], standing["accepted_later"]) == (0, 1)
        await campus.must_agree(small_catalogue)


async def test_what_was_taken_by_hand_and_spent_at_the_centre_meanwhile_is_owed_at_neither_end(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_campus(tmp_path / "a", small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.terms(None, "forgive")
        await campus.write("ann", 100)
        assert await campus.sync()
        await centre.spend(small_catalogue, "ann", 70, "spend:r1")
        assert await campus.balance_in_a_unit("ann") == 100, "nobody has heard yet"
        await campus.write("ann", -100, kind="adjustment", reason="typed twice")
        assert await campus.sync()
        await campus.must_agree(small_catalogue)
        assert campus.held("ann").balance == 0
        await campus.write("ann", 5)
        assert await campus.sync()
        await campus.must_agree(small_catalogue)
        assert campus.held("ann").balance == 5, "the next award repays nothing"
        await centre.spend(small_catalogue, "ann", 3, "spend:r2")
        assert await campus.sync()
        assert await campus.balance_in_a_unit("ann") == campus.held("ann").balance == 2
        assert await campus.balance_in_a_unit("nobody") == 0


async def test_a_page_that_was_changed_or_is_somebody_elses_is_not_believed(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_campus(tmp_path / "a", small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.write("ann", 100)
        assert await campus.sync()
        await centre.spend(small_catalogue, "ann", 30, "spend:r1")
        (tmp_path / "catalogue.ed25519").unlink()
        wire_keys.create(tmp_path / "catalogue.ed25519")
        assert not await campus.hear()
        assert "not the catalogue's" in campus.told()["last_error"]
        assert campus.held("ann").balance == 100


async def test_a_rotated_key_is_followed_and_pages_of_before_stay_proven(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_campus(tmp_path / "a", small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.write("ann", 100)
        assert await campus.sync()
        await centre.spend(small_catalogue, "ann", 30, "spend:r1")
        assert await campus.hear()
        old, new = keys.prepare(tmp_path / "catalogue.ed25519")
        async with small_catalogue.store.writing() as conn:
            await keys.announce(conn, old, new, now=wall_clock())
        keys.take_over(tmp_path / "catalogue.ed25519")
        await centre.spend(small_catalogue, "ann", 5, "spend:r2")
        assert await campus.hear()
        assert campus.held("ann").balance == 65
        assert campus.faults() == []
        token = await lost_key(campus.agent, small_catalogue)
        await again(campus.agent, token, small_catalogue.url)
        assert campus.faults() == [], "who enrols anew still knows the key that signed before"


async def test_a_catalogue_put_back_from_an_older_copy_is_followed_and_what_it_lost_is_listed(
    tmp_path: Path, catalogue_file: Path
) -> None:
    shutil.copy(catalogue_file, tmp_path / "books.db")
    async with (
        running_catalogue(tmp_path, f"sqlite:///{tmp_path}/books.db") as first,
        a_campus(tmp_path / "a", first, await first.add_tenant(CAMPUS)) as campus,
    ):
        await campus.write("ann", 100)
        assert await campus.sync()
        await centre.spend(first, "ann", 1, "spend:kept")
        assert await campus.sync()
        copied(tmp_path / "books.db", tmp_path / "older.db")
        await centre.spend(first, "ann", 30, "spend:lost")
        assert await campus.sync()
        await centre.spend(first, "ann", 2, "spend:lost-too")
        assert await campus.sync()
        assert campus.held("ann").balance == 67
    async with (
        running_catalogue(tmp_path, f"sqlite:///{tmp_path}/older.db") as second,
        a_campus(tmp_path / "a", second) as campus,
    ):
        await centre.spend(second, "ann", 4, "spend:new")
        await centre.spend(second, "ann", 5, "spend:newer")
        assert await campus.sync()
        assert campus.held("ann").balance == 90
        await campus.must_agree(second)
        assert [row["ref"] for row in campus.lost()] == ["spend:lost", "spend:lost-too"]
        assert campus.told()["lost"] == 2


async def test_a_restored_old_backup_of_the_agent_hears_again_what_it_had_heard(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    room = tmp_path / "a"
    async with a_campus(room, small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.write("ann", 100)
        assert await campus.sync()
        await centre.spend(small_catalogue, "ann", 30, "spend:r1")
        assert await campus.sync()
        copied(room / file.FILE_NAME, tmp_path / "backup.db")
        await centre.spend(small_catalogue, "ann", 20, "spend:r2")
        assert await campus.sync()
    for each in room.glob("ledger.db*"):
        each.unlink()
    shutil.copy(tmp_path / "backup.db", room / file.FILE_NAME)
    async with a_campus(room, small_catalogue) as campus:
        assert campus.held("ann").balance == 70
        assert await campus.sync()
        assert (campus.held("ann").balance, campus.told()["lost"]) == (50, 0)
        await campus.must_agree(small_catalogue)


async def test_weeks_of_silence_end_in_pages_that_a_crash_may_interrupt_anywhere(
    small_catalogue: RealCatalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "LINES_MAX", 3)
    room = tmp_path / "a"
    async with a_campus(room, small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.write("ann", 100)
        assert await campus.sync()
    for number in range(10):
        await centre.spend(small_catalogue, "ann", 1, f"spend:{number}")
    heard = 0
    while heard < 10:
        async with a_campus(room, small_catalogue) as campus:
            await campus.agent.feed._step(30.0)  # noqa: SLF001 - the process dies after one page
            assert campus.told()["lines"] > heard
            heard = campus.told()["lines"]
    async with a_campus(room, small_catalogue) as campus:
        await campus.must_agree(small_catalogue)


async def test_the_mirror_refuses_to_be_changed_and_verify_finds_bytes_that_were(
    small_catalogue: RealCatalogue, tmp_path: Path
) -> None:
    async with a_campus(tmp_path / "a", small_catalogue, await small_catalogue.add_tenant(CAMPUS)) as campus:
        await campus.write("ann", 100)
        await campus.sync()
        await centre.spend(small_catalogue, "ann", 30, "spend:r1")
        await campus.sync()
        with contextlib.closing(sqlite3.connect(tmp_path / "a" / file.FILE_NAME)) as connection:
            for table in ("centre_page", "centre_line"):
                with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                    connection.execute(f"DELETE FROM {table}")
            with pytest.raises(sqlite3.IntegrityError, match="only grows"):
                connection.execute("UPDATE centre_line SET amount = 0")
            connection.execute("DROP TRIGGER centre_line_is_never_changed")
            connection.execute("UPDATE centre_line SET amount = -3")
            connection.commit()
        assert campus.faults() == ["line 2 of the statement: what stands beside its bytes is not what they say"]


async def test_a_catalogue_of_before_the_statement_is_told_once_and_delivery_goes_on(tmp_path: Path) -> None:
    fake = FakeCatalogue(tmp_path)
    await fake.start()
    (tmp_path / "a").mkdir()
    async with delivering(tmp_path / "a", fake.url, await fake.add_tenant(CAMPUS)) as agent:
        await agent.write(3)
        assert await agent.drain()
        assert not await agent.hear()
        assert "older version" in agent.feed.status()["last_error"]
        fake.mood = Mood.down
        assert not await agent.hear()
    await fake.stop()


async def test_nobody_is_asked_before_the_agent_is_enrolled(small_catalogue: RealCatalogue, tmp_path: Path) -> None:
    async with a_campus(tmp_path / "a", small_catalogue) as campus:
        assert await campus.hear()
        assert campus.told()["as_of"] == 0
    assert feed.POLL_S == 60.0


def copied(source: Path, target: Path) -> None:
    """A database as a backup has it."""
    with contextlib.closing(sqlite3.connect(source)) as one, contextlib.closing(sqlite3.connect(target)) as other:
        one.backup(other)
