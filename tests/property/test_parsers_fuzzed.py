"""Whatever stands in front of a parser, it answers or refuses in its own words: nothing else, and in bounded time.

Good inputs are spoiled as files and senders spoil them: bytes changed, cut, doubled, moved, parts of one put into
another. What once broke a parser stays here as an example of its own, with its story.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.cli.setup import moodle_config
from agent.collectors.csvfile import source as csv_source
from agent.collectors.csvfile.checked import chunks
from agent.collectors.csvfile.ids import Ids
from agent.collectors.csvfile.judging import Wanted
from agent.collectors.csvfile.table import layout
from agent.collectors.door.addresses import client_of, networks
from agent.collectors.systems.moodle import decode_other
from agent.collectors.systems.registry import SYSTEMS
from agent.config.comparison import comparison
from agent.config.document import parse as parse_document
from agent.config.grammar import duration, window
from agent.config.kinds import KindTable
from agent.config.rulefile import load_rules_text
from agent.config.settings import settings_in
from agent.engine.rules import compile_rules
from agent.errors import ConfigError, InvalidInputError
from agent.outbox.recovery.box import RecoveryKey
from catalogue import config as catalogue_config
from catalogue.errors import CatalogueError
from catalogue.rewards import sheet
from tests.unit.door.test_tool_trigger import arrival
from tests.wire_builders import a_batch, an_entry
from wire import batch, draw, enrolment, entry, keeping, keys, receipt, signing, statement
from wire.people import known, names
from wire.recognition import deed
from wire.signing import Headers, Request, SignatureError

ROOT = Path(__file__).parents[2]
EXAMPLES = 60
INPUT_BYTES_MAX = 4_096
NOW = 1_790_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Parser:
    """One parser: what it is given, what it may raise, and good inputs to spoil."""

    parse: Callable[[bytes], object]
    refuses: tuple[type[Exception], ...]
    seeds: tuple[bytes, ...]


def text(data: bytes) -> str:
    """Bytes as a text without surrogates, which no file decoded by us can hold."""
    return data.decode("utf-8", errors="replace")


def in_file(parse: Callable[[Path], object], name: str) -> Callable[[bytes], object]:
    """A parser of files as one of bytes."""

    def parsed(data: bytes) -> object:
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / name
            path.write_bytes(data)
            path.chmod(0o600)
            return parse(path)

    return parsed


def read_csv(path: Path) -> object:
    """A sheet of events: its form, its columns, its rows, judged."""
    file = csv_source.opened(path)
    found = layout(file.columns)
    return list(chunks(file, found, Wanted(now=NOW), Ids.of(file, found)))


def posted(kind: str) -> Callable[[bytes], object]:
    """What a post of a system means."""
    return lambda data: list(SYSTEMS[kind].observations(arrival(data), KindTable()))


def ruled(data: bytes) -> object:
    """A file of rules, down to the rulebook that the engine runs."""
    return compile_rules(load_rules_text(text(data)), KindTable())


@cache
def a_key() -> keys.Key:
    """One key for every signature here."""
    with tempfile.TemporaryDirectory() as place:
        return keys.create(Path(place) / "key")


def signed_headers() -> bytes:
    """The header lines of a good request, one a line."""
    key = a_key()
    request = Request(method="GET", url="http://c/v1/stand", headers=Headers([]))
    found = signing.sign_request(
        request, b"", key=key, key_id=enrolment.agent_key_id("c", "a", key.fingerprint), created=NOW, tag="rewards-ask"
    )
    return "\n".join(f"{name}: {value}" for name, value in found.items()).encode()


def signature(data: bytes) -> object:
    """A request's header lines, looked at as the catalogue does: whose key, then whether it signed."""
    lines = dict(line.partition(": ")[::2] for line in text(data).splitlines() if ": " in line)
    headers = {name.lower(): value for name, value in lines.items()}
    key_id = signing.claimed_key_id(headers)
    with contextlib.suppress(ValueError):
        enrolment.split_key_id(key_id)
    request = Request(method="GET", url="http://c/v1/stand", headers=Headers(headers.items()))
    return signing.verify_request(request, b"", public=a_key().public, key_id=key_id, now=NOW, tag="rewards-ask")


def example(name: str) -> bytes:
    """One of the example files."""
    return (ROOT / name).read_bytes()


RULES = (ROOT / "rules.example.toml").read_text(encoding="utf-8")
CONDITIONS = (b'">=80"', b'"60..79"', b'"!=x"', b'{ is = "<3", if_unknown = "hold" }', b'["a", "b"]', b'"<= @window"')
POST = {
    "eventname": r"\core\event\course_module_completion_updated", "userid": "2", "relateduserid": "35",
    "objectid": "12", "contextinstanceid": "9", "timecreated": "1795220558", "other_completionstate": "1",
}  # fmt: skip
CSV = b"event,distinct_id,time,course_id,event_id\nlesson.completed,7,1795220558,BIO101,a1\n"
NAMED = names.Name(learner="p", name="ann", told_at=7)
PHP = b'a:2:{s:15:"completionstate";i:1;s:4:"deep";a:1:{i:0;d:1.5;}}'
CONFIG_PHP = b"<?php $CFG->dbtype='mariadb'; $CFG->dbname = 'm'; $CFG->dboptions = array('dbport' => 3309); // x\n"
REWARD = b"id,title,kind,points\nmug,A mug,voucher,100\n"

PARSERS: Mapping[str, Parser] = {
    "PHP serialize": Parser(
        parse=lambda data: decode_other(text(data), ("completionstate",)),
        refuses=(InvalidInputError,),
        seeds=(PHP, b'{"completionstate":1,"relateduserid":"35"}', b"N;", b"null"),
    ),
    "config.toml": Parser(
        parse=lambda data: settings_in(parse_document(data, Path("config.toml"))),
        refuses=(ConfigError,),
        seeds=(example("config.example.toml"),),
    ),
    "rules.toml": Parser(
        parse=ruled,
        refuses=(ConfigError,),
        seeds=tuple(f'schema = 1\ntimezone = "UTC"\n{part}'.encode() for part in RULES.split("\n\n")[2:14]),
    ),
    "a condition": Parser(
        parse=lambda data: ruled(
            b'schema = 1\ntimezone = "UTC"\n[[rule]]\nid = "a"\non = "quiz.submitted"\naward = 1\n'
            b"conditions = { score_pct = " + data + b" }\n"
        ),
        refuses=(ConfigError,),
        seeds=CONDITIONS,
    ),
    "a comparison": Parser(
        parse=lambda data: comparison(text(data)), refuses=(ValueError,), seeds=(b">=80", b"60..79", b"<= @w", b"a*")
    ),
    "a duration": Parser(parse=lambda data: duration(text(data)), refuses=(ValueError,), seeds=(b"30m", b"365d")),
    "a window": Parser(
        parse=lambda data: window(text(data)), refuses=(ValueError,), seeds=(b"5/7d", b"20 points/ever")
    ),
    "catalogue.toml": Parser(
        parse=in_file(catalogue_config.load, "catalogue.toml"),
        refuses=(CatalogueError,),
        seeds=(b'[catalogue]\nlisten = "127.0.0.1:8734"\ndata_dir = "d"\n[database]\nurl = "postgresql://a@b/c"\n',),
    ),
    "config.php": Parser(
        parse=lambda data: moodle_config.read(text(data)), refuses=(ConfigError,), seeds=(CONFIG_PHP,)
    ),
    "a CSV of events": Parser(
        parse=in_file(read_csv, "events.csv"),
        refuses=(InvalidInputError,),
        seeds=(CSV, b"\xff\xfe" + CSV.decode().encode("utf-16-le"), CSV.replace(b",", b";")),
    ),
    "a CSV of rewards": Parser(parse=lambda data: sheet.read(text(data)), refuses=(CatalogueError,), seeds=(REWARD,)),
    **{
        f"a post of {kind}": Parser(
            parse=posted(kind), refuses=(InvalidInputError,), seeds=(json.dumps(POST).encode(), b'{"a": [1, {"b": 2}]}')
        )
        for kind in SYSTEMS
    },
    "a signature": Parser(parse=signature, refuses=(SignatureError,), seeds=(signed_headers(),)),
    "a batch": Parser(parse=batch.parse, refuses=(ValueError,), seeds=(a_batch(),)),
    "an entry": Parser(parse=entry.decode, refuses=(ValueError,), seeds=(an_entry(),)),
    "a receipt": Parser(parse=receipt.parse_receipt, refuses=(ValueError,), seeds=(b'{"v":1,"kind":"receipt"}',)),
    "a stand": Parser(parse=receipt.parse_stand, refuses=(ValueError,), seeds=(b'{"v":1,"kind":"stand"}',)),
    "a statement": Parser(parse=statement.parse, refuses=(ValueError,), seeds=(b'{"v":1}\n{"v":1}',)),
    "an enrolment": Parser(parse=enrolment.EnrolRequest.parse, refuses=(ValueError,), seeds=(b'{"v":1}',)),
    "a rotation": Parser(parse=enrolment.Rotation.parse, refuses=(ValueError,), seeds=(b'{"v":1}',)),
    "links of keys": Parser(parse=keys.parse_links, refuses=(ValueError,), seeds=(b'{"v":1,"links":[]}',)),
    "a page of history": Parser(parse=keeping.Page.parse, refuses=(ValueError,), seeds=(b"{}\n{}\n{}",)),
    "what an agent tells of people": Parser(
        parse=known.People.parse,
        refuses=(ValueError,),
        seeds=(b'{"agent":"a","campus":"c","key":"","kind":"people","people":{"p":{"into":"","tags":[]}},"v":1}',),
    ),
    "what a campus asks of recognition": Parser(
        parse=deed.Deed.parse,
        refuses=(ValueError,),
        seeds=(b'{"act":"give","agent":"a","campus":"c","fields":{"id":1,"say":"#a b"},"learner":"p","v":1}',),
    ),
    "what an agent's learners are called": Parser(
        parse=names.Names.parse,
        refuses=(ValueError,),
        seeds=(names.Names(campus="c", agent="a", said_by="email", names=(NAMED,)).encode(),),
    ),
    "which register of names there is": Parser(
        parse=names.Named.parse,
        refuses=(ValueError,),
        seeds=(b'{"agent":"a","campus":"c","kind":"named","register":"0123456789abcdef","v":1}',),
    ),
    "what people have elsewhere": Parser(
        parse=known.Page.parse,
        refuses=(ValueError,),
        seeds=(b'{"after":"-","kind":"elsewhere","more":false,"people":{},"since":[0,0],"upto":[1,1],"v":1}',),
    ),
    "a token": Parser(
        parse=lambda data: enrolment.Token.parse(text(data)), refuses=(ValueError,), seeds=(b"rewards-enrol-1.a.b.c",)
    ),
    "a recovery key": Parser(
        parse=lambda data: RecoveryKey.parse(text(data)),
        refuses=(ValueError, ConfigError, InvalidInputError),
        seeds=(RecoveryKey.new().text().encode(),),
    ),
    "a draw's list": Parser(parse=lambda data: draw.list_of(text(data)), refuses=(ValueError,), seeds=(b"a 1\nb 2\n",)),
    "a draw": Parser(parse=lambda data: draw.announcement(text(data)), refuses=(ValueError,), seeds=(b"draw 1\n",)),
    "forwarded addresses": Parser(
        parse=lambda data: client_of("10.0.0.1", text(data).split("\n"), networks(["10.0.0.0/8"])),
        refuses=(),
        seeds=(b"1.2.3.4, 10.0.0.2", b"[::1]:80"),
    ),
}
KNOWN: Sequence[tuple[str, bytes, str]] = (
    ("a CSV of events", b"\xff\xfe", "a mark of UTF-16 and nothing behind it was an IndexError"),
    ("catalogue.toml", b"a = " + b"[" * 500, "500 open brackets were a RecursionError"),
    ("a signature", signed_headers().replace(b"rewards=(", b"rewards=((", 1), "a refusal had no words"),
)
"""(parser, input, what it did): each was found here."""


@st.composite
def spoiled(draw_: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A good input after a few things that happen to inputs; now and then any bytes at all."""
    if draw_(st.integers(0, 9)) == 0:
        return draw_(st.binary(max_size=200))
    data = bytearray(draw_(st.sampled_from(seeds)))
    for _ in range(draw_(st.integers(1, 4))):
        at = draw_(st.integers(0, len(data)))
        upto = min(len(data), at + draw_(st.integers(0, 24)))
        match draw_(st.sampled_from(("put", "cut", "double", "move", "splice", "deep"))):
            case "put":
                data[at:upto] = draw_(st.binary(max_size=4) | st.text(max_size=4).map(str.encode))
            case "cut":
                del data[at:upto]
            case "double":
                data[at:at] = data[at:upto] * draw_(st.integers(1, 3))
            case "move":
                part = bytes(data[at:upto])
                del data[at:upto]
                to = draw_(st.integers(0, len(data)))
                data[to:to] = part
            case "splice":
                other = draw_(st.sampled_from(seeds))
                data[at:upto] = other[draw_(st.integers(0, len(other))) :][:24]
            case "deep":
                data[at:upto] = draw_(st.sampled_from((b"[" * 300, b'{"a":' * 300, b"9" * 400, b"a:1:{i:0;" * 300)))
    return bytes(data[:INPUT_BYTES_MAX])


@pytest.mark.parametrize("name", PARSERS)
def test_a_parser_answers_or_refuses_in_its_own_words_whatever_it_is_given(name: str) -> None:
    parser = PARSERS[name]

    @settings(max_examples=EXAMPLES)
    @given(spoiled(parser.seeds))
    def holds(data: bytes) -> None:
        assert_answered_or_refused(parser, data)

    holds()


@pytest.mark.parametrize(("name", "data", "story"), KNOWN)
def test_what_once_broke_a_parser_is_refused(name: str, data: bytes, story: str) -> None:
    assert story
    assert_answered_or_refused(PARSERS[name], data)


def assert_answered_or_refused(parser: Parser, data: bytes) -> None:
    """An error of another kind fails the test as it is."""
    said = ""
    try:
        parser.parse(data)
    except parser.refuses as exc:
        said = str(exc) or "NOTHING"
    assert said != "NOTHING"


@pytest.mark.parametrize("name", sorted(set(PARSERS) - {"a draw", "a receipt", "a stand", "a statement"}))
def test_a_seed_is_near_enough_to_what_the_parser_takes(name: str) -> None:
    parser = PARSERS[name]
    assert all(len(seed) > 0 for seed in parser.seeds)
    for seed in parser.seeds:
        assert_answered_or_refused(parser, seed)
