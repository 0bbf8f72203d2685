"""Secrets: who may read the file is checked before what stands in it, and nothing shows it."""

from __future__ import annotations

import copy
import os
import pickle
import tempfile
from pathlib import Path

import pytest

from agent.config.secrets import Secret, read_secret, secret_file
from agent.errors import ConfigError
from machine import credentials

NOBODY = 65_534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


def kept(directory: Path, content: bytes = b"geheim\n", mode: int = 0o600) -> Path:
    """A secret in a file `db.password`."""
    path = directory / "db.password"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def refused(home: Path, name: str = "db.password") -> ConfigError:
    """What is said about a secret that cannot be used."""
    with pytest.raises(ConfigError) as caught:
        read_secret(home, name)
    assert caught.value.exit_code == 2
    assert "geheim" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("content", [b"geheim", b"geheim\n", b"geheim\r\n"])
def test_a_secret_is_its_file_without_the_newline_at_the_end(tmp_path: Path, content: bytes) -> None:
    kept(tmp_path, content)

    assert read_secret(tmp_path, "db.password").reveal() == "geheim"


def test_blanks_inside_and_around_a_secret_belong_to_it(tmp_path: Path) -> None:
    kept(tmp_path, b" ge heim \n\n")

    assert read_secret(tmp_path, "db.password").reveal() == " ge heim \n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_secret_others_can_reach_is_refused_with_the_command_that_cures_it(tmp_path: Path, mode: int) -> None:
    path = kept(tmp_path, mode=mode)

    error = refused(tmp_path)

    assert f"mode {mode:04o}" in error.message
    assert error.hint == f"chmod 600 {path}"


def test_the_command_that_cures_it_can_be_pasted_where_the_path_has_blanks(tmp_path: Path) -> None:
    home = tmp_path / "my campus"
    home.mkdir()
    path = kept(home, mode=0o644)

    assert refused(home).hint == f"chmod 600 '{path}'"


@as_root
def test_a_secret_of_another_user_is_refused(tmp_path: Path) -> None:
    path = kept(tmp_path)
    os.chown(path, NOBODY, -1)

    error = refused(tmp_path)

    assert f"id {NOBODY}" in error.message
    assert error.hint == f"chown 0 {path}"


@as_root
def test_root_may_use_what_the_owner_of_the_directory_keeps_there(tmp_path: Path) -> None:
    os.chown(kept(tmp_path), NOBODY, -1)
    os.chown(tmp_path, NOBODY, -1)

    assert read_secret(tmp_path, "db.password") == Secret("geheim")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"  \n", "is empty"),
        (b"\xff\xfe", "is not text"),
        (b"x" * 10_001, "larger than 10000 bytes"),
    ],
)
def test_a_file_that_holds_no_secret_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    kept(tmp_path, content)

    assert told in refused(tmp_path).message


def test_a_directory_or_a_pipe_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "db.password").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)

    assert "is no file" in refused(tmp_path).message
    assert "is no file" in refused(tmp_path, "pipe").message


def test_a_secret_that_is_not_there_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))

    error = refused(tmp_path, "secrets/db.password")

    assert f"{tmp_path}/credentials/db.password and {tmp_path}/secrets/db.password" in error.message
    assert error.hint == f"write it there and run: chmod 600 {tmp_path}/secrets/db.password"


def test_systemd_s_credentials_come_before_the_file_beside_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handed = tmp_path / "credentials"
    handed.mkdir()
    kept(handed, b"from systemd", mode=0o440)
    kept(tmp_path, b"from the file")

    assert read_secret(tmp_path, "db.password") == Secret("from the file")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert read_secret(tmp_path, "db.password") == Secret("from systemd")
    assert secret_file(tmp_path, str(tmp_path / "db.password")) == tmp_path / "db.password"


@as_root
def test_who_types_a_command_as_the_service_s_account_reads_the_credentials_of_the_running_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as name:
        running = Path(name)
        running.chmod(0o755)
        monkeypatch.setattr(credentials, "RUNNING", running)
        for unit, owner in (("rewards-agent@north.service", 10_001), ("rewards-agent@south.service", 10_002)):
            (running / unit).mkdir(mode=0o700)
            for path in (kept(running / unit, unit.encode(), mode=0o400), running / unit):
                os.chown(path, owner, owner)

        assert "is not there" in refused(tmp_path).message, "root may read both, and wants nobody knows which"
        os.seteuid(10_002)
        try:
            assert read_secret(tmp_path, "db.password") == Secret("rewards-agent@south.service")
        finally:
            os.seteuid(0)


def test_a_credential_that_systemd_does_not_hand_over_is_read_from_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    kept(tmp_path)

    assert read_secret(tmp_path, "db.password") == Secret("geheim")


def test_nothing_shows_a_secret_that_is_not_asked_to() -> None:
    secret = Secret("geheim")

    shown = (repr(secret), str(secret), f"{secret}", f"{secret!r}", repr([secret]), repr({"password": secret}))

    assert not any("geheim" in text for text in shown)
    assert secret.reveal() == "geheim"


@pytest.mark.parametrize("written", [pickle.dumps, copy.deepcopy])
def test_a_secret_is_not_written_anywhere(written: object) -> None:
    with pytest.raises(TypeError, match="not written anywhere"):
        written(Secret("geheim"))  # type: ignore[operator]


def test_secrets_are_compared_by_what_they_hold() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != "a"
