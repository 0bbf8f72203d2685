"""What the programs log: events by name, in JSON for a journal, never a secret."""

from __future__ import annotations

import ast
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

import catalogue.log
from agent import log
from agent.config.secrets import Secret

ROOT = Path(log.__file__).parents[1]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Logging as it is started by a command, into a text; afterwards as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    log.start(stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = handlers, level


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """What was logged."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json_with_time_and_level(written: io.StringIO) -> None:
    structlog.get_logger().warning("source_trouble", source="mo\nodle", trouble="ä")

    (line,) = lines(written)
    assert (line["event"], line["level"], line["source"], line["trouble"]) == (
        "source_trouble",
        "warning",
        "mo\nodle",
        "ä",
    )
    assert str(line["timestamp"]).endswith("Z")


@pytest.mark.parametrize(
    "key",
    ["password", "db_password", "token", "bearer_tokens", "Authorization", "signing_key", "api_key", "client_secret"],
)
def test_what_is_named_like_a_secret_is_refused(written: io.StringIO, key: str) -> None:
    structlog.get_logger().info("agent_started", **{key: "geheim"})

    assert lines(written)[0][key] == "…"
    assert "geheim" not in written.getvalue()


def test_what_only_sounds_like_a_secret_is_logged(written: io.StringIO) -> None:
    structlog.get_logger().info("agent_started", natural_key="a", tokenised="b", secretary="c")

    (line,) = lines(written)
    assert (line["natural_key"], line["tokenised"], line["secretary"]) == ("a", "b", "c")


def test_a_password_in_a_url_and_a_secret_by_type_are_not_shown(written: io.StringIO) -> None:
    structlog.get_logger().info("agent_started", url="mysql://ro:geheim@db/moodle", credential_of=Secret("geheim"))
    structlog.get_logger().info("agent_started", what=repr(Secret("geheim")))

    assert "geheim" not in written.getvalue()
    assert lines(written)[0]["url"] == "mysql://ro:…@db/moodle"


def test_details_are_logged_only_when_asked_for(written: io.StringIO) -> None:
    structlog.get_logger().debug("agent_started")
    assert written.getvalue() == ""

    log.start(verbose=True, stream=written)
    structlog.get_logger().debug("agent_started")
    assert lines(written)[0]["level"] == "debug"


def test_what_libraries_say_comes_out_the_same_way_from_warnings_on(written: io.StringIO) -> None:
    logging.getLogger("aiohttp.server").warning("unhandled %s", "thing", extra={"password": "geheim"})
    logging.getLogger("aiohttp.server").info("chatter")

    (line,) = lines(written)
    assert (line["event"], line["library"], line["message"]) == ("library", "aiohttp.server", "unhandled thing")


@pytest.mark.parametrize(("room", "listed"), [("agent", log.EVENTS), ("catalogue", catalogue.log.EVENTS)])
def test_every_event_the_code_logs_is_on_the_list_and_is_a_name_not_a_sentence(
    room: str, listed: frozenset[str]
) -> None:
    logged: set[str] = set()
    for file in (*(ROOT / room).rglob("*.py"), *(ROOT / "machine").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log" | "logger" | "_log"), attr=level), args=[event, *_]
                ) if level in LEVELS:
                    assert isinstance(event, ast.Constant), (
                        f"{file}:{node.lineno}: the event's name must be written out"
                    )
                    logged.add(str(event.value))

    assert logged <= listed
    assert listed - logged == {"library"}, "nobody logs it any more"
