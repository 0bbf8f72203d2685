"""`listen = "[::]:…"` hears who comes by IPv4, too, at both programs, and an address stays what it is."""

from __future__ import annotations

import socket
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.empty import empty_catalogue
from tests.integration.test_catalogue_process import Served, command
from tests.posts import HOOK, TOKEN, a_post, door_source, open_door
from tests.servers import free_port

pytestmark = pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
BY = {"127.0.0.1": "127.0.0.1", "::1": "[::1]"}


@pytest.mark.parametrize("address", BY)
async def test_the_door_at_every_address_lets_in_whom_an_address_of_ipv4_or_ipv6_names(
    tmp_path: Path, address: str
) -> None:
    ours, others = door_source(allow=[address]), door_source("other", path="/other", allow=["10.0.0.0/8"])
    async with open_door(tmp_path, ours, others, host="::") as at:
        for path, status in ((HOOK, 200), ("/other", 404)):
            url = f"http://{BY[address]}:{at.door.port}{path}"
            head = {"Authorization": f"Bearer {TOKEN}"}
            async with at.session.post(url, json=a_post(), headers=head) as answer:
                assert answer.status == status


def test_the_catalogue_at_every_address_answers_by_ipv4_and_by_ipv6(tmp_path: Path) -> None:
    port = free_port()
    config = tmp_path / "catalogue.toml"
    config.write_text(f'[catalogue]\nlisten = "[::]:{port}"\n', encoding="utf-8")
    (tmp_path / "catalogue.db").touch(0o600)
    (tmp_path / "catalogue.db").write_bytes(empty_catalogue())
    command("init", "--config", config)
    served = Served(config)
    served.start()
    try:
        assert served.url == f"http://[::]:{port}"
        for host in BY.values():
            with pytest.raises(HTTPError, match="404"):
                urlopen(f"http://{host}:{port}/nothing", timeout=30)
    finally:
        served.stop()


async def test_one_address_hears_nobody_else(tmp_path: Path) -> None:
    async with open_door(tmp_path, host="::1") as at:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", at.door.port), timeout=30)
