"""The catalogue's settings: defaults, and every fault with its cure."""

from __future__ import annotations

from pathlib import Path

import pytest

from catalogue import config
from catalogue.errors import ConfigError


def written(directory: Path, text: str) -> Path:
    path = directory / "catalogue.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_empty_file_means_the_embedded_default_beside_it(tmp_path: Path) -> None:
    found = config.load(written(tmp_path, ""))
    assert (found.host, found.port) == ("127.0.0.1", 8734)
    assert found.data_dir == tmp_path
    assert found.key_file == tmp_path / "catalogue.ed25519"
    assert found.database.render_as_string() == f"sqlite:///{tmp_path}/catalogue.db"


def test_the_example_says_the_defaults(tmp_path: Path) -> None:
    told = written(tmp_path, config.EXAMPLE.replace("# data_dir", "data_dir").replace("# listen", "listen"))
    said = config.EXAMPLE.replace("# key_file", "key_file").replace('# url = "sqlite', 'url = "sqlite')
    assert config.load(told) == config.load(written(tmp_path, "")) == config.load(written(tmp_path, said))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[catalogue]\nlisten = 5", "must be a text"),
        ('[catalogue]\nlisten = ""', "must be a text"),
        ('[catalogue]\nlisten = "here"', "is not HOST:PORT"),
        ('[catalogue]\nlisten = "here:99999"', "is not HOST:PORT"),
        ('[catalogue]\nport = "1"\n[mail]\n', r"\[mail\], catalogue\.port"),
        ("catalogue = 5", "unknown: catalogue"),
        ('[database]\nurl = "mysql://x/y"', "cannot be mysql://"),
        ('[database]\nurl = "not a url"', "is not a URL"),
        ('[database]\nurl = "postgresql://u:hunter2@h/d"', "holds a password"),
        ('[database]\nurl = "postgresql://u@h/d"\npassword_file = "absent"', "no file absent"),
        ("[catalogue\n", "catalogue.toml: "),
    ],
)
def test_a_fault_names_the_key_and_never_a_secret(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        config.load(written(tmp_path, text))
    assert "hunter2" not in str(caught.value)
    assert caught.value.hint


def test_a_password_comes_from_a_file_that_only_its_owner_reads(tmp_path: Path) -> None:
    path = written(tmp_path, '[database]\nurl = "postgresql://u@h/d"\npassword_file = "db.password"')
    secret = tmp_path / "db.password"
    secret.write_text("hunter2\n", encoding="utf-8")
    secret.chmod(0o644)
    with pytest.raises(ConfigError, match="others may read") as caught:
        config.load(path)
    assert caught.value.hint == f"chmod 600 {secret}"
    secret.chmod(0o600)
    found = config.load(path)
    assert found.database.password == "hunter2"
    assert "hunter2" not in repr(found)


def test_a_password_may_be_a_credential_of_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "db.password").write_text("hunter2", encoding="utf-8")
    (credentials / "db.password").chmod(0o440)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(credentials))
    path = written(tmp_path, '[database]\nurl = "postgresql://u@h/d"\npassword_file = "db.password"')
    assert config.load(path).database.password == "hunter2"


def test_the_named_file_comes_before_the_directory_and_both_before_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"there is no catalogue\.toml"):
        config.find(None, None)
    written(tmp_path, '[catalogue]\nlisten = "127.0.0.1:1"')
    other = tmp_path / "other"
    other.mkdir()
    named = written(other, '[catalogue]\nlisten = "[::1]:2"')
    assert config.find(None, None).port == 1
    assert (config.find(None, other).port, config.find(named, tmp_path).host) == (2, "::1")
