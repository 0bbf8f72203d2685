"""The campus's recovery key: what is printed opens what was sealed, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ConfigError, IntegrityError, InvalidInputError
from agent.ledger.recovery.persons import Known
from agent.outbox.recovery.box import RecoveryKey, read_lock, read_recovery_key, write_lock

PERSON = Known(
    site="moodle",
    lms_user="35",
    secret=b"s" * 32,
    pseudonym="abc234",
    created_at=1_790_000_000,
    aliases=[["36", 1, "a desk", "twice"]],
)


def test_what_was_printed_opens_what_the_public_half_sealed(tmp_path: Path) -> None:
    key = RecoveryKey.new()
    write_lock(tmp_path / "recovery.public", key.lock)
    lock = read_lock(tmp_path / "recovery.public")
    assert lock is not None
    sealed = lock.seal(PERSON, campus="uni")
    assert PERSON.secret not in sealed
    typed = RecoveryKey.parse("  " + key.text().lower().replace("-", " ") + "\n")
    found = typed.open(sealed, campus="uni", pseudonym="abc234")
    assert (found.site, found.lms_user, found.secret, found.aliases) == ("moodle", "35", b"s" * 32, PERSON.aliases)
    assert lock.seal(PERSON, campus="uni") != sealed, "two copies of one person cannot be told to be of one"


def test_another_key_another_campus_and_another_name_open_nothing() -> None:
    key = RecoveryKey.new()
    sealed = key.lock.seal(PERSON, campus="uni")
    for other, campus, name in ((RecoveryKey.new(), "uni", "abc234"), (key, "unx", "abc234"), (key, "uni", "abc235")):
        with pytest.raises(IntegrityError, match="does not open"):
            other.open(sealed, campus=campus, pseudonym=name)
    with pytest.raises(IntegrityError, match="does not open"):
        key.open(sealed[:-1] + bytes([sealed[-1] ^ 1]), campus="uni", pseudonym="abc234")


def test_a_wrong_letter_of_a_typed_key_is_noticed_and_the_key_is_not_repeated() -> None:
    text = RecoveryKey.new().text()
    wrong = text[:-1] + ("A" if text[-1] != "A" else "B")
    for typed, told in ((wrong, "a letter"), (text[:-7], "a letter"), ("hello", "not a recovery key"), ("", "not a")):
        with pytest.raises(InvalidInputError, match=told) as caught:
            RecoveryKey.parse(typed)
        assert text[25:40] not in str(caught.value)


def test_a_sheet_of_paper_typed_with_other_lines_is_a_file_of_a_key(tmp_path: Path) -> None:
    key = RecoveryKey.new()
    sheet = tmp_path / "sheet.txt"
    sheet.write_text(f"Uni Example, 2026\n\n    {key.text()}\n\nKeep this in the safe.\n")
    assert read_recovery_key(sheet).lock.fingerprint == key.lock.fingerprint
    with pytest.raises(ConfigError):
        read_recovery_key(tmp_path / "none.txt")


def test_a_spoiled_public_half_is_told_and_a_missing_one_is_none(tmp_path: Path) -> None:
    assert read_lock(tmp_path / "none") is None
    (tmp_path / "bad").write_text("zz")
    with pytest.raises(ConfigError, match="not the public half"):
        read_lock(tmp_path / "bad")
