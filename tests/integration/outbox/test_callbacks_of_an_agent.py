"""Callbacks of a real agent: killed between sending and being answered, tried, listed, told by status and doctor."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from tests import programs
from tests.helpdesk import Desk, filled
from tests.receivers import SECRET, is_signed, receiving


@pytest.fixture(scope="module")
def campus(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only copied."""
    return filled(tmp_path_factory.mktemp("callbacks") / "campus")


ADJUST = ("ledger", "adjust", "ann", "5", "--reason", "for a poster", "--by", "B. Desk")


def told(campus: Desk, directory: Path, url: str) -> Desk:
    """A copy that tells a receiver everything from the beginning."""
    desk = campus.copy(directory)
    secret = desk.directory / "callback.secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    callback = (
        f'\n[[callback]]\nname = "chat"\nurl = "{url}"\nsecret_file = "callback.secret"\n'
        'on = ["award", "badge", "hold", "adjustment"]\nstart_at = "beginning"\n'
    )
    desk.config.write_text(desk.config.read_text() + callback)
    return desk


async def command(desk: Desk, *words: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(desk.command, *words, check=False)


async def test_killed_between_sending_and_being_answered_it_sends_the_same_again(campus: Desk, tmp_path: Path) -> None:
    seen: list[str] = []
    agent: programs.Running | None = None

    def on_message(number: str) -> None:
        seen.append(number)
        if len(seen) == 3 and agent is not None:
            agent.kill()

    async with receiving(on_message=on_message, delay_s=0.05) as receiver:
        desk = told(campus, tmp_path / "campus", receiver.url)
        agent = programs.start("agent", ["run", "--until-caught-up", "--config", str(desk.config)])
        await asyncio.to_thread(agent.wait, 60)
        assert len(seen) == 3
        done = await command(desk, "run", "--until-caught-up")
        assert done.returncode == 0, done.stderr
    bodies = dict(zip(receiver.ids(), receiver.bodies(), strict=True))
    entries = [row for row in desk.json("ledger", "list", "--oldest") if row["kind"] == "award"]
    wanted = {f"{row['entry_id']}.{'badge' if row['currency'].startswith('badge:') else 'award'}" for row in entries}
    assert wanted <= set(receiver.ids())
    assert seen.count(seen[2]) == 2
    # The order is kept: what comes after the first of the second run is what came after it before.
    again = seen[3:]
    assert again == list(dict.fromkeys(again))
    assert all(is_signed(SECRET, headers, body) for headers, body in receiver.taken)
    assert bodies


async def test_a_receiver_is_tried_listed_and_told_of(campus: Desk, tmp_path: Path) -> None:
    async with receiving() as receiver:
        desk = told(campus, tmp_path / "campus", receiver.url)
        await command(desk, "run", "--until-caught-up")
        taken = len(receiver.taken)
        assert (await command(desk, "callback", "test", "chat")).returncode == 0
        assert receiver.types()[taken:] == ["test"]
        (row,) = desk.json("callback", "list")
        assert (row["callback"], row["waiting"], row["last_error"]) == ("chat", 0, "")
        assert "callbacks: chat took its last message" in (await command(desk, "doctor")).stdout

        receiver.status = 500
        done = await command(desk, "callback", "test", "chat")
        assert done.returncode == 1
        assert "it answered (500)" in done.stderr
        await command(desk, *ADJUST)
        await command(desk, "run", "--until-caught-up")
        (row,) = desk.json("status")["callbacks"]
        assert (row["waiting"], row["last_error"]) == (1, "it answered (500)")
        findings = (await command(desk, "doctor")).stdout
        assert "callbacks: chat does not take what it is told: it answered (500); 1 entry waits" in findings

        assert (await command(desk, "callback", "skip", "chat", "--by", "B. Desk")).returncode == 0
        assert desk.json("callback", "list")[0]["waiting"] == 0


async def test_a_secret_that_is_missing_ends_the_start_with_two(campus: Desk, tmp_path: Path) -> None:
    desk = told(campus, tmp_path / "campus", "https://chat.example.org/hook")
    (desk.directory / "callback.secret").unlink()
    done = await command(desk, "run", "--until-caught-up")
    assert done.returncode == 2
    assert "callback.secret is not there" in done.stderr


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('url = "http://chat.example.org/hook"\nsecret_file = "s"', "would go in clear"),
        ('url = "https://chat.example.org/hook"', "is not signed"),
        ('secret_file = "s"', "needs an address"),
        ('url = "https://me:T0K3N@chat.example.org/"\nsecret_file = "s"', "a user or password stands in the URL"),
        ('url = "https://x.org"\nsecret_file = "s"\ntemplate = { award = "{secret}" }', "cannot name {secret}"),
    ],
)
async def test_what_cannot_be_configured_is_told_with_its_place(
    campus: Desk, tmp_path: Path, written: str, said: str
) -> None:
    desk = campus.copy(tmp_path / "campus")
    desk.config.write_text(f'{desk.config.read_text()}\n[[callback]]\nname = "chat"\non = ["award"]\n{written}\n')
    done = await command(desk, "status")
    assert done.returncode == 2
    assert said in done.stderr
    assert "config.toml:" in done.stderr
    assert "T0K3N" not in done.stderr
