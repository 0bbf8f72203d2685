"""A ledger that the program of each earlier schema made is brought up to date, and pays nothing twice."""

from __future__ import annotations

import lzma
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from agent.config.settings import load_settings
from agent.ledger import file, verify
from agent.service.run import until_caught_up
from agent.service.tail import Tail
from agent.wiring.agent import opened
from tests.upgrades.campus import site
from tests.upgrades.make import CONFIG, LEDGERS

pytestmark = pytest.mark.slow
KEPT = sorted(path.name.split(".")[0] for path in LEDGERS.glob("*.sql.xz"))
NEVER_RELEASED = {13}
"""Two branches gave this number at once; no program that anybody had made such a ledger."""


def _everything(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What nobody may lose: entries to the byte, balances, uses of quotas, who is who."""
    asked = {
        "entries": "SELECT seq, body, hash, person_no FROM entry ORDER BY seq",
        "balances": "SELECT person_no, currency, amount FROM balance ORDER BY 1, 2",
        "uses": "SELECT meter_no, bucket, person_no, slot, at, amount, freed FROM quota_use ORDER BY 1, 2, 3, 4",
        "persons": "SELECT person_no, site, lms_user, pseudonym FROM person ORDER BY 1",
        "holds": "SELECT decision_no, rule_id, learner, state FROM hold ORDER BY 1",
    }
    with closing(sqlite3.connect(path)) as db:
        return {name: db.execute(sql).fetchall() for name, sql in asked.items()}


def founded(at: Path, schema: str) -> Path:
    """The campus of that ledger, as its program left it; the ledger's file."""
    data = at / "data"
    data.mkdir(mode=0o700)
    path = file.ledger_path(data)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(lzma.decompress((LEDGERS / f"{schema}.sql.xz").read_bytes()).decode())
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA user_version = {int(schema)}")
        (rules,) = db.execute("SELECT text FROM rules_version ORDER BY version_no DESC LIMIT 1").fetchone()
    path.chmod(0o600)
    file.mark_begun(data)
    (at / "rules.toml").write_text(rules)
    (at / "config.toml").write_text(CONFIG.format(moodle=site(at / "moodle.sqlite").path))
    return path


async def _run(at: Path) -> None:
    """What `run --until-caught-up` does."""
    async with opened(load_settings(at / "config.toml")) as agent:
        tails = [
            Tail(source=one, ledger=agent.pipeline, demand=agent.pipeline.demand, clock=agent.clock, on_page=_nothing)
            for one in agent.collectors.values()
        ]
        assert await until_caught_up(tails, None) == 0


def _nothing(*_told: object) -> None:
    """Nobody watches."""


def test_there_is_a_ledger_of_every_schema_so_far() -> None:
    assert {*map(int, KEPT)} == {*range(1, file.SCHEMA + 1)} - NEVER_RELEASED, "python -m tests.upgrades.make HEAD"


@pytest.mark.parametrize("schema", KEPT)
async def test_an_old_ledger_is_what_it_was_and_its_log_read_again_pays_nothing(schema: str, tmp_path: Path) -> None:
    path = founded(tmp_path, schema)
    before = _everything(path)
    assert len(before["entries"]) > 90
    await _run(tmp_path)
    assert _everything(path) == before
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE source_state SET position = 0")
        for table in ("source_anchor", "source_gap"):
            db.execute(f"DELETE FROM {table}")
    await _run(tmp_path)
    assert _everything(path) == before
    with closing(file.open_for_reading(path.parent)) as reader:
        assert list(verify.verify(reader).findings) == []
