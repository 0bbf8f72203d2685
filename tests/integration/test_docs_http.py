"""What the manual has other programs send and read: its curl commands, its posts, its Python, its view for Moodle."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from agent.collectors.logstore.kept import kept_by
from agent.outbox.callbacks.post import key_of, signature
from tests import servers
from tests.contract.catalogues import Hand
from tests.integration.test_catalogue_process import a_token, command, serving
from tests.integration.test_kept import plugins
from tests.pages import DOCS, PAGES, blocks, where
from tests.posts import TOKEN, door_source, open_door
from tests.receivers import SECRET
from tests.sites import MariaSite, options_for
from tests.wire_builders import CAMPUS, an_entry
from wire import keys

CENTRE = "https://catalogue.example.org"
SCOPES = tuple(
    f"{what}:{how}"
    for what, ways in (
        ("points", ("read",)),
        ("ledger", ("read",)),
        ("names", ("read",)),
        ("rewards", ("read", "write")),
        ("recognition", ("read", "write", "moderate")),
    )
    for how in ways
)
ANN, BEN = "2mfi7spslsw3rstao7u5yyit", "q3oexbcsjrxpsd4pd2gjq5ge"
ASKED = [(page, body) for page in PAGES for body in blocks(page, "sh") if f"curl {CENTRE}" in body or "curl -X" in body]


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_what_the_manual_asks_the_catalogue_with_curl_is_answered(tmp_path: Path) -> None:
    with serving(tmp_path / "c") as served:
        hand = Hand(
            cast("Any", SimpleNamespace(url=served.url, key=keys.load(tmp_path / "c" / "catalogue.ed25519"))),
            tmp_path / "c",
        )
        await hand.enrol(await asyncio.to_thread(a_token, served.config))
        await hand.deliver([an_entry(1, learner=ANN), an_entry(2, learner=BEN)])
        await hand.client.close()
        shown = {}
        for name, scopes in (("all", SCOPES), ("till", ["vouchers:use"])):
            listed = [word for scope in scopes for word in ("--scope", scope)]
            words: list[str | Path] = ["token", "add", CAMPUS, name, *listed, "--config", served.config, "--json"]
            shown[name] = json.loads((await asyncio.to_thread(command, *words)).stdout)["token"]
        said: dict[str, list[tuple[str, str]]] = {}
        for page, body in ASKED:
            asked = re.sub(r"^curl ", r"curl -sS -w '\\n%{http_code}\\n' ", body, flags=re.MULTILINE)
            till = "vouchers/use" in body
            done = await asyncio.to_thread(
                subprocess.run,
                ["sh", "-c", asked.replace(CENTRE, served.url)],
                env={"PATH": "/usr/bin:/bin", "TOKEN": shown["till" if till else "all"], "ANN": ANN, "BEN": BEN},
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            told = done.stdout.splitlines()
            said.setdefault(where(page), []).extend(zip(told[1::2], told[::2], strict=True))
    assert {page: [code for code, _ in answers] for page, answers in said.items()} == {
        "docs/admin/recognition.md": ["201", "200"],
        "docs/ops/api.md": ["200", "200", "201", "200", "201", "201", "404"],
    }
    assert json.loads(said["docs/ops/api.md"][-1][1])["error"] == "unknown-token", "nobody got that voucher here"


@pytest.mark.parametrize(
    ("page", "kind"),
    [("integrations/generic.md", "generic"), ("integrations/kajabi.md", "kajabi")],
)
async def test_the_posts_that_the_manual_shows_are_kept_and_understood(tmp_path: Path, page: str, kind: str) -> None:
    posts = [body for body in blocks(DOCS / page, "json") if '"event"' in body]
    assert posts
    source = door_source(kind, kind=kind, path="/hook")
    async with open_door(tmp_path, source) as at:
        for body in posts:
            answer = await at.post(body.encode(), path="/hook", token=TOKEN)
            assert (answer.status, answer.told["status"]) == (200, "kept"), answer.told


def test_the_receiver_that_the_manual_writes_takes_what_is_ours_and_nothing_else() -> None:
    (program,) = blocks(DOCS / "integrations" / "callbacks.md", "python")
    names: dict[str, Any] = {}
    exec(program, names)  # noqa: S102 - our own page
    (shown,) = blocks(DOCS / "integrations" / "callbacks.md", "json")
    body, now = json.dumps(json.loads(shown)).encode(), int(time.time())
    head = {"webhook-id": "1-17.award", "webhook-timestamp": str(now)}
    head["webhook-signature"] = f"v1,AAAA {signature(key_of(SECRET), '1-17.award', now, body)}"
    assert names["is_ours"](SECRET, head, body)
    assert not names["is_ours"](SECRET, head, body + b" ")
    assert not names["is_ours"](SECRET, head | {"webhook-timestamp": str(now - 600)}, body)


async def test_the_view_of_settings_that_the_manual_makes_is_enough(mariadb_database: servers.MariaDatabase) -> None:
    site = MariaSite(mariadb_database)
    plugins(site)
    text, _of_postgres = blocks(DOCS / "integrations" / "moodle-log-table.md", "sql")
    for statement in filter(None, map(str.strip, text.replace("companion_ro", servers.READER).split(";"))):
        site.execute(statement)
    assert (await kept_by(options_for(mariadb_database))).log_days == 7


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs sqlite3")
def test_the_table_that_the_manual_makes_of_an_export_is_summed_by_rule_and_week(tmp_path: Path) -> None:
    load, _ = blocks(DOCS / "analytics" / "exports.md", "sh")
    rows = ["seq,occurred_at,rule_id,amount", "1,2026-09-07T09:00:00Z,lesson,10", "2,2026-09-08T09:00:00Z,lesson,5"]
    (tmp_path / "ledger.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")
    done = subprocess.run(["sh", "-c", load], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "lesson,2026-36,15"
    with contextlib.closing(sqlite3.connect(tmp_path / "rewards.db")) as table:
        assert table.execute("SELECT count(*) FROM ledger").fetchone() == (2,)
