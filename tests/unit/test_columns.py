"""The columns that `doctor` looks for are those that the queries read: SQLite says what each of them reads."""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from agent.collectors.logstore.reading.columns import COLUMNS
from manual.queries import statements
from tests.sites import SqliteSite

ASKING = ("collector.py", "lookups/", "reading/", "states/")
"""Files whose queries are about what people did."""
OF_A_PLUGIN = "hsuforum_"
WHERE_THERE = {
    "course_sections": ("component", "itemid"),
    "forum_posts": ("charcount", "wordcount"),
    "user": ("country",),
}
"""Read where they are, and looked for nowhere: older releases lack some, and nobody need grant a country."""


def read_of_each_table(path: Path) -> dict[str, set[str]]:
    """Table → the columns that any of the queries reads."""
    found: dict[str, set[str]] = defaultdict(set)

    def seen(action: int, table: str | None, column: str | None, *_: object) -> int:
        if action == sqlite3.SQLITE_READ and table and column:
            found[table.removeprefix("mdl_")].add(column)
        return sqlite3.SQLITE_OK

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE mdl_user ADD COLUMN country TEXT")
        connection.set_authorizer(seen)
        for file, texts in statements().items():
            for text in texts if file.startswith(ASKING) else ():
                if OF_A_PLUGIN in text or "{[" in text:
                    continue
                named = re.sub(r"\{(\w+)\}", r"mdl_\1", text.replace("{log}", "mdl_logstore_standard_log"))
                sql = re.sub(r"\[(\w+)\]", lambda found: "other" if found[1] == "other" else "1", named)
                connection.execute(f"EXPLAIN {sql}", [1] * sql.count("?"))
    return found


def test_what_doctor_looks_for_is_what_is_read(tmp_path: Path) -> None:
    read = read_of_each_table(SqliteSite(tmp_path / "moodle.db").path)
    del read["logstore_standard_log"]  # looked at by itself
    wanted = {table: {*columns, *WHERE_THERE.get(table, ())} for table, columns in COLUMNS.items()}
    assert wanted == read
