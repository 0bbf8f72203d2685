"""Many campuses at once: a sheet makes them known, each with its token; and the list finds them again."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import pytest

from catalogue.cli import campuses
from catalogue.cli.campuses import Row
from catalogue.errors import CatalogueError
from tests.integration.operator import Operator, typed

SHEET = 'campus,title,environment\nnorth,"North, by the sea",\nsouth,,staging\neast\n'


@pytest.fixture
def operator(tmp_path: Path, catalogue_file: Path) -> Operator:
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    made = Operator(tmp_path)
    made.types("init")
    return made


def test_a_sheet_makes_campuses_known_and_tells_the_token_of_each(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(campuses, "AT_ONCE", 2)
    said = typed("tenant", "import", "-", "--data-dir", str(operator.directory), stdin=SHEET)

    assert (said.code, said.err) == (0, "3 campuses are new\n")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [row["campus"] for row in rows] == ["north", "south", "east"]
    assert len({row["token"] for row in rows}) == 3
    assert all(row["token"].startswith("enrol.") and row["expires_at"].endswith("Z") for row in rows)
    listed = {row["campus"]: (row["title"], row["environment"]) for row in operator.asks("tenant", "list")}
    assert listed == {
        "north": ("North, by the sea", "production"),
        "south": ("south", "staging"),
        "east": ("east", "production"),
    }
    acts = operator.asks("audit", "list", "south")
    assert [one["act"] for one in acts] == ["tenant.token", "tenant.add"]
    assert rows[1]["token"].rpartition(".")[0] not in json.dumps(acts)


def test_a_sheet_that_has_grown_makes_only_the_new_ones_known(operator: Operator) -> None:
    operator.types("tenant", "add", "north", "--title", "As it was")
    place = ("--data-dir", str(operator.directory))
    looked = typed("tenant", "import", "-", "--check", *place, stdin=SHEET)
    assert (looked.out, looked.err) == ("", "2 campuses would be new, 1 was there already\n")
    assert len(operator.asks("tenant", "list")) == 1

    made = typed("tenant", "import", "-", "--json", *place, stdin=SHEET)
    assert [one["campus"] for one in json.loads(made.out)] == ["south", "east"]
    assert operator.asks("tenant", "list", "north")[0]["title"] == "As it was"
    again = typed("tenant", "import", "-", *place, stdin=SHEET)
    assert (again.out, again.err) == ("campus,token,expires_at\n", "0 campuses are new, 3 were there already\n")


@pytest.mark.parametrize(
    ("sheet", "told"),
    [
        ("", "it is ''"),
        ("name,title\nnorth,x\n", "it is 'name,title'"),
        ("campus\nno good\n", "line 2: 'no good' cannot be a campus"),
        ('campus,title\nnorth,"North\nsouth,South\n', "line 2: unexpected end of data: is there a quotation mark"),
        (f"campus,title\nnorth,{'x' * 200_000}\n", "line 2: field larger than field limit"),
        ("campus\nnorth\n\nnorth\n", "line 4: north is named twice"),
        ("campus,title\nnorth,by,sea\n", "line 2: more cells than columns"),
        ("campus,environment\nnorth,prod\n", "line 2: 'prod' is no environment: production or staging"),
    ],
)
def test_a_bad_line_is_told_and_then_no_campus_is_made_known(operator: Operator, sheet: str, told: str) -> None:
    said = operator.types("tenant", "import", "-", code=1, stdin=sheet)

    assert told in said
    assert operator.asks("tenant", "list") == []


def test_a_sheet_of_a_spreadsheet_with_a_mark_before_it_and_spaces_is_read() -> None:
    assert campuses.read("\ufeffcampus , title\r\n north , North \r\n") == [Row("north", "North", "production")]


@pytest.mark.parametrize("between", [";", "\t"])
def test_a_sheet_of_another_country_is_read(between: str) -> None:
    sheet = "campus,title\nnorth,North\n".replace(",", between)
    assert campuses.read(sheet) == [Row("north", "North", "production")]


def test_more_bad_lines_than_fit_are_counted() -> None:
    with pytest.raises(CatalogueError, match=r"and 10 more"):
        campuses.read("campus\n" + "no good\n" * (campuses.FAULTS_TOLD_MAX + 10))


def test_the_list_finds_campuses_by_name_title_and_state(operator: Operator) -> None:
    typed("tenant", "import", "-", "--data-dir", str(operator.directory), stdin=SHEET)
    operator.types("tenant", "suspend", "south")

    def found(*words: str) -> list[str]:
        return [row["campus"] for row in operator.asks("tenant", "list", *words)]

    assert found() == ["east", "north", "south"]
    assert found("SEA") == ["north"]
    assert found("th") == ["north", "south"]
    assert found("--state", "suspended") == ["south"]
    assert found("north", "--state", "suspended") == []
