"""Key files, key names, enrolment tokens and rotations."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest

from tests.wire_builders import a_key
from wire import enrolment, keys
from wire.canonical import MalformedError
from wire.enrolment import Rotation, Token
from wire.keys import KeyFileError


def test_a_new_key_is_a_file_that_only_its_owner_reads_and_loads_again(tmp_path: Path) -> None:
    made = keys.create(tmp_path / "agent.ed25519")
    assert stat.S_IMODE((tmp_path / "agent.ed25519").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["agent.ed25519"]
    assert keys.load(tmp_path / "agent.ed25519").public == made.public


def test_an_existing_key_is_never_overwritten(tmp_path: Path) -> None:
    made = a_key(tmp_path)
    with pytest.raises(KeyFileError, match="there already"):
        a_key(tmp_path)
    assert keys.load(tmp_path / "agent.ed25519").public == made.public
    assert len(list(tmp_path.iterdir())) == 1


def test_a_key_that_others_may_read_is_refused_with_the_cure(tmp_path: Path) -> None:
    a_key(tmp_path)
    (tmp_path / "agent.ed25519").chmod(0o640)
    with pytest.raises(KeyFileError, match="0640") as caught:
        keys.load(tmp_path / "agent.ed25519")
    assert caught.value.hint.startswith("chmod 600")


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key file"):
        keys.load(tmp_path / "absent")
    (tmp_path / "text").touch(0o600)
    with pytest.raises(KeyFileError, match="not a private key"):
        keys.load(tmp_path / "text")
    with pytest.raises(KeyFileError, match="cannot be written"):
        keys.create(tmp_path / "absent" / "key")


def test_no_repr_of_a_key_or_a_token_tells_the_secret(tmp_path: Path) -> None:
    token = Token.new("ab" * 16)
    request = enrolment.EnrolRequest(campus="c", environment="e", secret=token.secret, public=bytes(32))
    assert token.secret not in repr(token) + repr(request)
    assert "private" not in repr(a_key(tmp_path))


def test_a_token_is_read_back_and_anything_else_is_refused_without_repeating_it() -> None:
    token = Token.new("ab" * 16)
    assert Token.parse(f" {token.text()}\n") == token
    for text in ("", "enrol", token.text()[:-1], token.text().replace("enrol", "pass"), token.secret):
        with pytest.raises(MalformedError) as caught:
            Token.parse(text)
        assert token.secret not in str(caught.value)


def test_a_rotation_is_proven_by_the_new_key_for_this_agent_only(tmp_path: Path) -> None:
    rotation = Rotation.make("uni-example", "agent-1", a_key(tmp_path))
    assert Rotation.parse(rotation.encode()) == rotation
    assert rotation.proven()
    assert not dataclasses.replace(rotation, agent="agent-2").proven()
    assert not dataclasses.replace(rotation, public=a_key(tmp_path, "other").public).proven()


def test_a_key_id_names_campus_agent_and_key() -> None:
    key_id = enrolment.agent_key_id("uni-example", "agent-1", "ab" * 16)
    assert enrolment.split_key_id(key_id) == ("uni-example", "agent-1", "ab" * 16)
    for text in ("", "a/b", "a/b/c/d", "a//c", "a/b c/d"):
        with pytest.raises(MalformedError):
            enrolment.split_key_id(text)


def test_enrolment_messages_are_read_back() -> None:
    request = enrolment.EnrolRequest(campus="c", environment="staging", secret="s", public=b"\x01" * 32)
    assert enrolment.EnrolRequest.parse(request.encode()) == request
    answer = enrolment.EnrolAnswer(campus="c", agent="agent-1", catalogue_public=b"\x02" * 32)
    assert enrolment.EnrolAnswer.parse(answer.encode()) == answer
