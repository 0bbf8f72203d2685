"""Held decisions in a spreadsheet, as an administrator does it: written by `review list --csv`, filled in, applied."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from tests.helpdesk import Desk, filled


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The filled campus; only looked at."""
    return filled(tmp_path_factory.mktemp("sheets") / "campus")


def written(path: Path, rows: list[dict[str, str]]) -> str:
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def test_a_spreadsheet_settles_what_is_held_tells_every_bad_line_and_changes_nothing_twice(
    books: Desk, tmp_path: Path
) -> None:
    own = books.copy(tmp_path / "campus")
    listed = list(csv.DictReader(io.StringIO(own.command("review", "list", "--csv").stdout)))
    ben, ann, third = listed
    assert list(ben)[-3:] == ["verdict", "amount", "reason"]
    ben["verdict"], ben["amount"] = "Approve", "4"
    ann["verdict"], ann["reason"] = "reject", "not hers"
    third["verdict"] = "perhaps"
    strange = ben | {"decision": "99999"}
    file = written(tmp_path / "held.csv", [ben, ann, third, strange, ann | {"verdict": "", "amount": ""}])

    looked = own.command("review", "apply", file, "--by", "B. Desk", "--dry-run", check=False)
    assert "1 would be approved, 1 would be rejected" in looked.stdout
    assert len(own.json("review", "list")) == 3

    done = own.command("review", "apply", file, "--by", "B. Desk", check=False)
    assert done.returncode == 1
    assert "1 approved, 1 rejected, 2 bad lines, 1 left open" in done.stdout
    assert "row 4, column verdict: 'perhaps' is neither approve nor reject" in done.stderr
    assert "row 5, column decision: no decision 99999 is held" in done.stderr
    assert [row["settled_by"] for row in own.json("review", "list", "--state", "rejected")] == ["B. Desk"]

    again = own.command("review", "apply", file, "--by", "B. Desk", check=False)
    assert "2 stood already, 2 bad lines, 1 left open" in again.stdout


def test_a_sheet_is_read_as_spreadsheets_save_it(books: Desk, tmp_path: Path) -> None:
    """As Excel saves "Unicode text" (UTF-16, tabs), and a plain CSV of Windows (cp1252, semicolons)."""
    own = books.copy(tmp_path / "campus")
    first, second, _ = csv.DictReader(io.StringIO(own.command("review", "list", "--csv").stdout))
    cells = {"decision": first["decision"], "verdict": "reject", "reason": "naïve copy"}
    heading, row = "\t".join(cells), "\t".join(cells.values())
    file = tmp_path / "held.txt"
    file.write_text(f"{heading}\r\n{row}\r\n", encoding="utf-16")
    assert "1 rejected" in own.command("review", "apply", str(file), "--by", "B. Desk").stdout

    row = row.replace(first["decision"], second["decision"], 1)
    file.write_text(f"{heading}\n{row}\n".replace("\t", ";"), encoding="cp1252")
    refused = own.command("review", "apply", str(file), "--by", "B. Desk", check=False)
    assert (refused.returncode, "say how it is encoded: --encoding cp1252" in refused.stderr) == (1, True)
    done = own.command("review", "apply", str(file), "--by", "B. Desk", "--encoding", "cp1252")
    assert "1 rejected" in done.stdout
    said = {row["note"] for row in own.json("review", "list", "--state", "rejected")}
    assert said == {"naïve copy"}


def test_a_file_without_its_columns_is_told_at_once(books: Desk, tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", [{"number": "1"}])
    done = books.command("review", "apply", file, "--by", "B", check=False)
    assert (done.returncode, "has no column decision and no column verdict" in done.stderr) == (1, True)


def test_what_is_held_is_filtered_by_how_long_it_waits(books: Desk) -> None:
    assert books.json("review", "list", "--older-than", "3d") == []
    done = books.command("review", "list", "--older-than", "soon", check=False)
    assert "'soon' is not a time" in done.stderr


def test_an_amount_is_approved_by_hand(books: Desk, tmp_path: Path) -> None:
    own = books.copy(tmp_path / "campus")
    number = str(own.json("review", "list")[0]["decision"])
    assert own.command("review", "approve", number, "--amount", "4", "--by", "B").stdout == (
        f"{number}: approved, paid 4 points\n"
    )
