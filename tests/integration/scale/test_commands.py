"""The operator's commands for old months, as they are typed; and what other commands say once a month went."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from catalogue.config import load
from catalogue.finance import closing
from catalogue.store import Store, months
from catalogue.wallets import currencies
from tests.integration.operator import typed
from tests.integration.scale.campus import Campus
from tests.servers import PostgresDatabase
from tests.wire_builders import CAMPUS
from wire import keys
from wire.money.terms import Currency, Terms

SEPTEMBER, OCTOBER = months.begins("2026-09"), months.begins("2026-10")
SETTINGS = '[database]\nurl = "{0}"\n'


async def lived(directory: Path, url: str) -> None:
    """September with two awards and a spend, closed; October with one."""
    store = await Store.open(make_url(url))
    try:
        async with store.writing() as conn:
            await store.dialect.make_months(conn, ["2026-09", "2026-10"])
        campus = await Campus.made(store, keys.load(directory / "catalogue.ed25519"))
        await campus.deliver({"learner": "ann"}, {"learner": "ben"}, at=SEPTEMBER + 5)
        await campus.deliver({"learner": "ben"}, at=SEPTEMBER + 6)
        await campus.deliver({"learner": "ann"}, at=OCTOBER + 5)
        async with store.writing() as conn:
            await closing.close(conn, CAMPUS, now=OCTOBER + 9, by="test")
    finally:
        await store.close()


async def with_decimals(directory: Path) -> None:
    """The campus says that its points have two."""
    store = await Store.open(load(directory / "catalogue.toml").database)
    async with store.writing() as conn:
        said = Terms(currencies={"points": Currency(decimals=2)}, levels=())
        await currencies.learn(conn, CAMPUS, said)
    await store.close()


class Typist:
    """Types commands; stdout and stderr apart."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def types(self, *words: str, code: int = 0) -> tuple[str, str]:
        done = typed(*words, "--data-dir", str(self.directory))
        assert done.code == code, done.both
        return done.out, done.err

    def asks(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.types(*words, "--json", code=code)[0])


@pytest.fixture(params=["sqlite", "postgresql"])
def typist(request: pytest.FixtureRequest, tmp_path: Path) -> Typist:
    made = Typist(tmp_path / "centre")
    made.types("init")
    url = f"sqlite:///{made.directory}/catalogue.db"
    if request.param == "postgresql":
        database: PostgresDatabase = request.getfixturevalue("catalogue_database")
        url = database.dsn
        (made.directory / "catalogue.toml").write_text(SETTINGS.format(url))
    asyncio.run(lived(made.directory, url))
    return made


def test_a_month_is_written_listed_verified_let_go_of_and_brought_back(
    typist: Typist, request: pytest.FixtureRequest
) -> None:
    assert typist.types("archive", "list")[0] == "no month is archived\n"
    written = f"2026-09  {CAMPUS}: 3 entries, 2 batches, 3 movements written and read back\n"
    assert typist.types("archive", "make", "2026-09")[0] == written
    assert [row["act"] for row in typist.asks("audit", "list", CAMPUS)] == ["archive.make"]
    assert [(row["month"], row["gone_at"]) for row in typist.asks("archive", "list")] == [("2026-09", None)]
    assert typist.asks("archive", "verify") == {"months": 1, "faults": []}
    if "sqlite" in request.node.name:
        assert "keeps all its months" in typist.types("archive", "drop", "2026-09", code=1)[1]
        return
    assert "keep copies" in typist.types("archive", "drop", "2026-09")[0]
    assert "alone" in typist.types("archive", "list")[0]
    shown, _ = typist.types("verify")
    assert "1 entry" in shown
    assert "up to 2026-09 are in the archive" in shown
    for words in (("ledger", "export", CAMPUS), ("ledger", "movements", CAMPUS), ("wallet", "history", CAMPUS, "ann")):
        out, said = typist.types(*words)
        assert "archive load 2026-09" in said, words
        assert "agent-1/1-1" not in out
    finance = ("finance", "export", CAMPUS, "2026-09")
    assert "archive load 2026-09" in typist.types(*finance, "--movements", code=1)[1]
    assert ",30," in typist.types(*finance)[0]
    assert typist.types("archive", "load", "2026-09")[0] == "2026-09 is here again\n"
    assert "3 entries" not in typist.types("verify")[0]
    assert typist.asks("verify")["entries"] == 4
    acts = [row["act"] for row in typist.asks("audit", "list", "*")]
    assert sorted(acts)[:2] == ["archive.drop", "archive.load"]


@pytest.mark.parametrize("typist", ["sqlite"], indirect=True)
def test_sums_of_what_was_posted_are_told_in_units(typist: Typist) -> None:
    asyncio.run(with_decimals(typist.directory))
    assert " 0.40 points\n" in typist.types("verify", "--sums")[0]
    assert [row["amount"] for row in typist.asks("verify", "--sums")["sums"]] == [40]


def test_a_changed_file_and_a_wrong_month_are_told(typist: Typist) -> None:
    typist.types("archive", "make", "2026-09")
    assert "is no month such as" in typist.types("archive", "make", "September", code=1)[1]
    assert "2026-08 is not archived" in typist.types("archive", "verify", "2026-08", code=1)[1]
    assert "open month" in typist.types("archive", "make", "2026-10", code=1)[1]
    file = typist.directory / "archive" / "2026-09" / CAMPUS / "movement.parquet"
    file.write_bytes(file.read_bytes()[:-1])
    assert "movement.parquet was changed" in typist.types("archive", "verify", code=3)[0]


def test_without_the_extra_the_command_names_it(typist: Typist, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "rewards-sidecar[parquet]" in typist.types("archive", "make", "2026-09", code=2)[1]
