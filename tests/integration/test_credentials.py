"""Badges that leave the campus, shown to a verifier that others wrote: it believes what was published and no more."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openbadgeslib.errors import LibOpenBadgesException
from openbadgeslib.ob3.verifier import OB3Verifier

from agent.credentials import status
from agent.credentials.issuer import Issuer
from tests.helpdesk import Desk, filled

AGENT = Path(sys.executable).with_name("rewards-agent")
URL = "https://badges.example.edu/rewards"
DID = "did:web:badges.example.edu:rewards"
TABLE = f'\n[credentials]\nissuer_url = "{URL}"\nissuer_name = "Example University"\n'


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus with a key for badges; only looked at. Ann and Ben have the badge `starter`."""
    desk = filled(tmp_path_factory.mktemp("credentials") / "campus")
    with (desk.directory / "config.toml").open("a") as config:
        config.write(TABLE)
    desk.command("badge", "key")
    desk.command("badge", "assign", "starter", "--learner", "ben", "--by", "eve")
    return desk


@pytest.fixture
def desk(made: Desk, tmp_path: Path) -> Desk:
    """As `made`, to be changed."""
    return made.copy(tmp_path / "campus")


def published(desk: Desk) -> Path:
    """What the campus's web server has at `URL`, as of now, written by whoever's files are nobody else's."""
    directory = desk.directory / "www"
    words = ["badge", "publish", str(directory), "--config", str(desk.config)]
    subprocess.run(
        ["/bin/sh", "-c", 'umask 077 && exec "$@"', "sh", str(AGENT), *words], check=True, stdout=subprocess.DEVNULL
    )
    return directory


def web(directory: Path) -> Callable[..., bytes]:
    """That web server, for a verifier."""

    def download(url: str, *_: Any, **__: Any) -> bytes:
        assert url.startswith(f"{URL}/"), "nothing else is asked"
        return (directory / url.removeprefix(f"{URL}/")).read_bytes()

    return download


def believed(token: str, directory: Path) -> Any:
    """What a stranger makes of it, who knows the issuer's identifier alone."""
    download = web(directory)
    return OB3Verifier.for_issuer_did(DID, download=download).verify(token, check_status=True, download=download)


def token(desk: Desk, learner: str) -> str:
    return desk.command("badge", "credential", "starter", "--learner", learner).stdout.strip()


def test_a_badge_is_believed_by_a_stranger_until_it_is_taken_back_and_others_go_on(desk: Desk) -> None:
    anns, bens = token(desk, "ann"), token(desk, "ben@example.org")
    found = believed(anns, published(desk))
    assert (found.name, found.issuer.name, found.issuer.id) == ("starter", "Example University", DID)
    assert found.identifiers[0].to_dict() == type(found.identifiers[0]).create(
        "ann@example.org", found.identifiers[0].salt
    ).to_dict() | {"salt": found.identifiers[0].salt}
    desk.command("badge", "revoke", "starter", "--learner", "ann", "--reason", "copied", "--by", "eve")
    now = published(desk)
    with pytest.raises(LibOpenBadgesException, match="revocation"):
        believed(anns, now)
    assert believed(bens, now).name == "starter"
    assert {path.stat().st_mode & 0o777 for path in now.rglob("*")} == {0o644, 0o755}, "a web server reads them"
    refused = desk.command("badge", "credential", "starter", "--learner", "ann", check=False)
    assert (refused.returncode, "does not have the badge 'starter'" in refused.stderr) == (1, True)


def test_the_same_badge_made_twice_has_one_id_and_what_is_published_names_nobody(made: Desk) -> None:
    first, second = (made.json("badge", "credential", "starter", "--learner", "ann") for _ in range(2))
    assert first["credential"]["id"] == second["credential"]["id"]
    assert first["jwt"] != second["jwt"], "the salt is another"
    everything = json.dumps(first["credential"]) + "".join(
        path.read_text() for path in published(made).rglob("*") if path.is_file()
    )
    for name in ("ann@example.org", "S35", "moodle:35", made.json("learner", "show", "ann")["pseudonym"]):
        assert name not in everything


def test_a_new_key_signs_and_what_the_old_one_signed_is_believed(desk: Desk) -> None:
    before = token(desk, "ann")
    config = desk.directory / "config.toml"
    config.write_text(config.read_text() + 'key_files = ["new.key", "badges.key"]\n')
    desk.command("badge", "key")
    after, now = token(desk, "ann"), published(desk)
    assert believed(before, now).id == believed(after, now).id
    kids = [json.loads(base64.urlsafe_b64decode(one.split(".")[0] + "=="))["kid"] for one in (before, after)]
    assert [one["id"] for one in json.loads((now / "did.json").read_text())["verificationMethod"]] == kids[::-1]
    config.write_text(config.read_text().replace(', "badges.key"', ""))
    with pytest.raises(LibOpenBadgesException):
        believed(before, published(desk))


def test_what_moved_to_another_account_is_good_there_and_no_longer_here(desk: Desk) -> None:
    before = token(desk, "ben")
    desk.command("learner", "merge", "ben", "moodle:37", "--reason", "two accounts", "--by", "eve")
    after, now = token(desk, "moodle:37"), published(desk)
    assert believed(after, now).name == "starter"
    with pytest.raises(LibOpenBadgesException, match="revocation"):
        believed(before, now)


def test_what_is_lacking_is_told_with_what_to_do(desk: Desk) -> None:
    def told(*words: str) -> str:
        refused = desk.command("badge", *words, check=False)
        assert refused.returncode != 0
        return refused.stderr

    mine = ("credential", "starter", "--learner", "ann")
    assert "is no e-mail address" in told(*mine, "--email", "ann")
    out = desk.directory / "ann.jwt"
    desk.command("badge", *mine, "--email", "ann@home.example", "--output", str(out))
    assert out.stat().st_mode & 0o077 == 0
    assert "is there already" in told(*mine, "--output", str(out))
    (desk.directory / "badges.key").write_text("no key")
    assert "no RSA private key" in told(*mine)
    assert "no RSA private key" in told("key")
    (desk.directory / "badges.key").unlink()
    assert "badges.key" in told("publish", str(desk.directory / "www"))
    found = json.loads(desk.command("doctor", "--json", check=False).stdout)
    assert [one["code"] for one in found if one["about"] == "badges"] == ["secret-missing"]
    config = desk.directory / "config.toml"
    config.write_text(config.read_text().replace(TABLE, ""))
    assert "write [credentials]" in told(*mine)


@pytest.mark.parametrize(
    ("url", "did", "where"),
    [
        ("https://badges.example.edu", "did:web:badges.example.edu", "/.well-known/did.json"),
        ("https://Badges.example.edu:8443/a/b", "did:web:badges.example.edu%3A8443:a:b", "/did.json"),
    ],
)
def test_an_issuer_is_found_by_its_address(url: str, did: str, where: str) -> None:
    issuer = Issuer(url=url, name="Example University")
    assert (issuer.did, issuer.did_url) == (did, url + where)


@given(st.lists(st.tuples(st.sampled_from(["1", "2"]), st.integers(1, 3 * status.BITS), st.booleans()), unique=True))
def test_a_bit_is_set_for_each_entry_that_was_taken_back_and_for_no_other(drawn: list[tuple[str, int, bool]]) -> None:
    entries = {(epoch, seq): gone for epoch, seq, gone in drawn}
    issuer = Issuer(url=URL, name="Example University")
    found = status.blocks((epoch, seq, gone) for (epoch, seq), gone in entries.items())
    lists = {status.address(issuer, block): _bits(status.encoded(bits)) for block, bits in found.items()}
    for (epoch, seq), gone in entries.items():
        said = status.entry(issuer, epoch, seq)
        index = int(said["statusListIndex"])
        assert bool(lists[said["statusListCredential"]][index // 8] & 0x80 >> index % 8) == gone
    assert sum(byte.bit_count() for bits in lists.values() for byte in bits) == sum(entries.values())


def _bits(encoded: str) -> bytes:
    assert encoded[0] == "u", "base64url without padding, as multibase says it"
    return gzip.decompress(base64.urlsafe_b64decode(encoded[1:] + "=" * (-len(encoded[1:]) % 4)))
