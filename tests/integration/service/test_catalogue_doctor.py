"""What `rewards-catalogue doctor` finds, by codes that stay, and what it ends with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from catalogue.errors import ConfigError
from catalogue.health.figures import Books
from catalogue.health.findings import FAULTS, of_books
from catalogue.store import Store
from catalogue.store.scrubbing import Left
from tests import servers
from tests.integration.service.managed import Managed
from tests.integration.test_catalogue_process import command

NOW, DAY = 1_800_000_000, 86_400
WELL = Books(
    campuses={"active": 2},
    agents={"heard": 2, "silent": 0},
    orders={"reserved": 4},
    order_late_s=5,
    aside=0,
    held=0,
    resting=0,
    backup_at=NOW - DAY,
    unheard=0,
    left=(),
)
ILL = Books(
    campuses={"active": 2},
    agents={"heard": 1, "silent": 1},
    orders={"unknown": 3},
    order_late_s=7_300,
    aside=1,
    held=1,
    resting=1,
    backup_at=0,
    unheard=1,
    left=(Left(name="link", bytes=8_192, since=NOW - 2 * DAY, times={"uni": 1}),),
)


def codes(books: Books, *, backup_within_s: int | None = 2 * DAY) -> set[str]:
    """What of these books wants somebody."""
    return {one.code for one in of_books(books, now=NOW, backup_within_s=backup_within_s)} - {""}


def test_whatever_waits_for_somebody_in_the_books_is_named_by_its_code() -> None:
    assert codes(WELL) == set()
    assert codes(replace(WELL, backup_at=NOW - 3 * DAY)) == {"backup-old"}
    assert codes(replace(WELL, backup_at=0), backup_within_s=None) == set()
    of_machine = {
        "configuration-invalid",
        "data-directory-open",
        "key-unusable",
        "database-read-only",
        "database-unusable",
        "vouchers-unreadable",
        "server-away",
        "server-unready",
    }
    assert codes(ILL) == FAULTS.keys() - of_machine - {"disk-nearly-full"}
    assert "an order has been due for 2 hours" in {one.found for one in of_books(ILL, now=NOW, backup_within_s=None)}


def test_the_campuses_at_which_something_waits_are_named_and_the_remedy_is_for_the_first() -> None:
    where = [(f"uni-{number}", 9 - number) for number in range(7)]
    found = of_books(ILL, now=NOW, backup_within_s=None, places={"entries-set-aside": where})
    (told,) = [one for one in found if one.code == "entries-set-aside"]
    assert told.found == "1 is set aside: uni-0 (9), uni-1 (8), uni-2 (7), uni-3 (6), uni-4 (5) and 2 others"
    assert told.do == "rewards-catalogue entry list uni-0 says which and why"


def test_a_backup_that_was_never_made_a_server_that_is_away_and_a_key_that_others_read_are_told(
    tmp_path: Path,
) -> None:
    it = Managed(tmp_path, "")
    it.close()
    command("init", "--config", it.config)
    told = command("doctor", "--config", it.config).stdout
    assert "none was ever made: a lost disk would take the books with it [backup-old]" in told
    assert "[server-away]" in told
    assert told.endswith("2 to look at, 0 failed\n")
    (tmp_path / "catalogue.ed25519").chmod(0o644)
    (tmp_path / "catalogue.db").write_bytes(b"")
    found = json.loads(command("doctor", "--config", it.config, "--json", code=2).stdout)
    assert {one["code"] for one in found if one["level"] == "fail"} == {"key-unusable", "database-unusable"}
    assert all(one["do"] for one in found if one["code"])


def test_what_is_wrong_with_the_files_of_a_catalogue_is_told_with_what_cures_it(tmp_path: Path) -> None:
    """A damaged database asked for its password, and a key that was lost to be made anew: agents take no other."""

    def found(code: int) -> dict[str, str]:
        told = json.loads(command("doctor", "--config", it.config, "--json", code=code).stdout)
        return {one["code"]: f"{one['found']} → {one['do']}" for one in told if one["code"]}

    it = Managed(tmp_path, "")
    it.close()
    command("init", "--config", it.config)
    well = found(0).keys()
    tmp_path.chmod(0o755)
    (tmp_path / "catalogue.ed25519").unlink()
    told = found(2)
    assert told.keys() - well == {"key-unusable", "data-directory-open"}
    assert "→ put back your copy: agents take no other" in told["key-unusable"]
    assert told["data-directory-open"].endswith(f"→ chmod 700 {tmp_path}")
    (tmp_path / "catalogue.db").write_bytes(b"no books at all" * 1_000)
    assert "put the newest good backup back" in found(3)["database-unusable"]
    it.config.write_text("[catalogue\n")
    assert found(2).keys() == {"configuration-invalid"}


async def test_a_password_that_was_changed_lets_a_running_server_in_again_once_it_is_told(
    catalogue_database: servers.PostgresDatabase,
) -> None:
    database = catalogue_database
    database.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {servers.READER}")
    url = make_url(database.reader_dsn).set(password=servers.READER_PASSWORD)
    store = await Store.open(url)
    try:
        database.execute(f"ALTER ROLE {servers.READER} PASSWORD 'another'")
        with pytest.raises(ConfigError, match="password"):
            await store.stands()
        store.adopt_password(url.set(password="another"))
        await store.stands()
    finally:
        database.execute(f"ALTER ROLE {servers.READER} PASSWORD '{servers.READER_PASSWORD}'")
        await store.close()
