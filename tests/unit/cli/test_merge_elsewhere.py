"""`learner merge` of an account that another agent records: nothing is moved, and it is said what to do."""

from __future__ import annotations

import asyncio
from pathlib import Path

from typer.testing import CliRunner

from agent.cli.app import app
from agent.cli.setup.looks.catalogue import _linked
from agent.config.settings import load_settings
from agent.ledger.centre import elsewhere
from agent.ledger.writer import Writer
from tests.unit.cli.test_link_key import agent


def test_an_account_of_another_agents_site_is_not_merged_and_the_way_to_one_purse_is_told(tmp_path: Path) -> None:
    config = agent(tmp_path / "one")

    async def make() -> None:
        (tmp_path / "one" / "data").mkdir(mode=0o700)
        await (await Writer.open(tmp_path / "one" / "data")).close()

    asyncio.run(make())
    done = CliRunner().invoke(app, ["learner", "merge", "campus2:9", "moodle:35", "--config", str(config)])
    assert done.exit_code == 1
    told = str(done.exception or "") + done.output
    for words in ("records no site 'campus2'", "it has moodle", "rewards-catalogue wallet link c PSEUDONYM"):
        assert words in told, told


def test_doctor_tells_whose_link_key_is_another(tmp_path: Path) -> None:
    config = agent(tmp_path / "one")
    with config.open("a") as file:
        file.write("[identity]\nlink_agents = true\n")
    settings = load_settings(config)
    assert list(_linked(settings)) == [], "no ledger yet"

    async def tell(others: list[str]) -> None:
        settings.agent.data_dir.mkdir(mode=0o700, exist_ok=True)
        writer = await Writer.open(settings.agent.data_dir)
        await writer.run(elsewhere.keep_other_keys(others))
        await writer.close()

    asyncio.run(tell([]))
    assert [one.level for one in _linked(settings)] == ["ok"]
    asyncio.run(tell(["agent-2"]))
    (found,) = _linked(settings)
    assert (found.code, found.found.partition(" ")[0]) == ("link-keys-differ", "agent-2")
