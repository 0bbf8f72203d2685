"""What stands where Moodle's database should: nothing that speaks, or something that speaks otherwise."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.cli.setup.doctor import looked_at
from agent.collectors.logstore.dialects.connect import database_for
from agent.collectors.logstore.options import Limits, LogstoreOptions
from agent.config.settings import load_settings
from agent.errors import TransientError
from tests.acceptance.campus import campus

RULES = 'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "login"\non = "user.logged_in"\naward = 1\n'
NAMED = RULES + 'audience = { courses = ["BIO101"] }\n'


def says_nothing(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while line.recv(100):
            pass


def hangs_up(line: socket.socket) -> None:
    line.close()


def speaks_http(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        line.close()


@contextlib.contextmanager
def standing_there(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[socket.socket]]]:
    """Something that takes connections: its port, and those that were made."""
    made: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    made.append(line)
                    threading.Thread(target=answer, args=(line,), daemon=True).start()

        taker = threading.Thread(target=take, daemon=True)
        taker.start()
        yield listening.getsockname()[1], made
        listening.shutdown(socket.SHUT_RDWR)
        taker.join()
    for line in made:
        line.close()


@pytest.mark.parametrize(
    ("scheme", "answer", "words"),
    [
        ("mysql", says_nothing, r"says nothing for 0\.2 s \(PostgreSQL wants postgresql://\)"),
        ("postgresql", says_nothing, r"no answer within 0\.2 s"),
        ("mysql", speaks_http, "speaks otherwise than MariaDB and MySQL"),
        ("postgresql", speaks_http, r"as no PostgreSQL does \(MariaDB and MySQL want mysql://\)"),
        ("postgresql", hangs_up, "it ends the conversation at once"),
    ],
)
async def test_what_is_no_database_is_told_as_that(
    scheme: str, answer: Callable[[socket.socket], None], words: str
) -> None:
    """One that hung had four times as long as a connection may take; another told of TLS that nobody asked for."""
    with standing_there(answer) as (port, _):
        url = f"{scheme}://reader@127.0.0.1:{port}/moodle"
        limit_s = 0.2 if answer is says_nothing else 60.0
        database = database_for(LogstoreOptions(name="moodle", url=url, limits=Limits(connect_s=limit_s)))
        with pytest.raises(TransientError, match=words) as caught:
            await database.connect()
        await database.close()
    assert caught.value.fault == "database-unreachable"


def test_a_database_that_does_not_answer_is_asked_once(tmp_path: Path) -> None:
    with standing_there(hangs_up) as (port, made):
        at = campus(tmp_path, f"mysql://reader@127.0.0.1:{port}/moodle", NAMED)
        codes = [found.code for found in looked_at(load_settings(at.config)) if found.level == "fail"]
        assert (codes, len(made)) == (["database-unreachable"], 1)
