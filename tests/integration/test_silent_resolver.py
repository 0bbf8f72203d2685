"""A resolver takes every question and answers none: nothing else waits for it, and it is named."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from machine.reaching import names

ALONE = """
{{ mount --bind {resolvers} "$(readlink -f /etc/resolv.conf)" && mount --bind {hosts} /etc/hosts; }} || exit 77
ip link set lo up || exit 77
exec {python} -c '{script}' {words}
"""
SILENT = """
import asyncio, json, socket, sys
from machine.reaching import names
hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
hole.bind(("127.0.0.53", 53))
HOSTS = [f"host{n}.example.org" for n in range(40)]

async def told(loop, host):
    try:
        await loop.getaddrinfo(host, 443)
    except names.UnansweredError as error:
        return error.strerror

async def main():
    loop = asyncio.get_running_loop()
    names.apart(loop)
    names.ANSWER_S_MAX = 600.0
    asked = asyncio.gather(*(told(loop, host) for host in HOSTS))
    await asyncio.sleep(0)
    beside = await asyncio.to_thread(lambda: "others work")
    were_answered = asked.done()
    asked.cancel()
    names.ANSWER_S_MAX = 1.0
    again = await asyncio.gather(*(told(loop, host) for host in HOSTS))
    print(json.dumps([beside, were_answered, again, await told(loop, HOSTS[0])]))

asyncio.run(main())
"""
TYPED = """
import importlib, socket, sys
from machine.reaching import names
hole = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
hole.bind(("127.0.0.53", 53))
names.ANSWER_S_MAX = 1.0
program = importlib.import_module(sys.argv.pop(1))
program.main()
"""


def alone(tmp_path: Path, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a network of its own, whose resolver is the script itself; skip where that cannot be made."""
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    typed = ALONE.format(
        resolvers=tmp_path / "resolv.conf",
        hosts=tmp_path / "hosts",
        python=sys.executable,
        script=script.replace("'", '"'),
        words=" ".join(words),
    )
    root = Path(__file__).parents[2]
    try:
        done = subprocess.run(
            ["unshare", "--net", "--mount", "sh", "-c", typed], cwd=root, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("unshare is not on this machine")
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no network of its own can be made here: {done.stderr.strip()}")
    return done


def test_a_resolver_that_answers_nothing_holds_up_nobody_else_and_is_named(tmp_path: Path) -> None:
    done = alone(tmp_path, SILENT)
    beside, were_answered, told, again = json.loads(done.stdout)
    assert (beside, were_answered) == ("others work", False)
    assert told[0] == again == "no name server answers who host0.example.org is (asked: 127.0.0.53)"
    assert len(set(told)) == 40


def test_doctor_names_the_resolver_that_does_not_answer(tmp_path: Path) -> None:
    (tmp_path / "db.password").write_text("x")
    (tmp_path / "db.password").chmod(0o600)
    (tmp_path / "rules.toml").write_text('schema = 1\ntimezone = "UTC"\n')
    (tmp_path / "config.toml").write_text(
        '[agent]\ncampus = "c"\ndata_dir = "data"\nrules = "rules.toml"\n'
        '[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "mysql://u@db.example.org/moodle"\n'
        'password_file = "db.password"\n[catalogue]\nurl = "https://catalogue.example.org"\n'
    )
    done = alone(tmp_path, TYPED, "agent.cli.app", "doctor", "--json", "--config", str(tmp_path / "config.toml"))
    found = {one["code"]: one for one in json.loads(done.stdout)}
    assert "the resolver (127.0.0.53) does not answer" in found["resolver-silent"]["found"]
    assert "who catalogue.example.org, db.example.org is" in found["resolver-silent"]["found"]
    assert "/etc/resolv.conf" in found["resolver-silent"]["do"]
    assert "no name server answers who db.example.org is" in found["database-unreachable"]["found"]


def test_what_an_operator_types_at_the_centre_is_told_which_resolver_does_not_answer(tmp_path: Path) -> None:
    """It waited for as long as the machine's resolver does, and named none."""
    (tmp_path / "catalogue.toml").write_text('[database]\nurl = "postgresql://rewards@db.example.org/rewards"\n')
    done = alone(tmp_path, TYPED, "catalogue.cli.app", "tenant", "list", "--config", str(tmp_path / "catalogue.toml"))
    assert done.returncode == 1
    assert "no name server answers who db.example.org is (asked: 127.0.0.53)" in done.stderr


async def test_names_are_answered_as_before_and_what_a_resolver_denies_is_its_word() -> None:
    loop = asyncio.get_running_loop()
    before = await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
    names.apart(loop, names.Heard())
    assert await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM) == before
    both = (loop.getaddrinfo("127.0.0.1", 80), loop.getaddrinfo("127.0.0.1", 80))
    assert len(set(map(str, await asyncio.gather(*both)))) == 1
    with pytest.raises(socket.gaierror) as denied:
        await loop.getaddrinfo("127.0.0.1", "no such service")
    assert not isinstance(denied.value, names.UnansweredError)


def test_who_is_asked_is_read_from_the_file_of_resolvers(tmp_path: Path) -> None:
    place = tmp_path / "resolv.conf"
    assert names.resolvers(place) == []
    place.write_text("# ours\nsearch example.org\nnameserver 10.0.0.1\nnameserver  fe80::1 \nnameserver\n")
    assert names.resolvers(place) == ["10.0.0.1", "fe80::1"]
