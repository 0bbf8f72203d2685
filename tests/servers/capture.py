"""The capture of a real Moodle, loaded into a database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.mariadb import MariaDatabase
from tests.servers.postgres import PostgresDatabase

CAPTURE = Path(__file__).resolve().parents[2].parent / "shared" / "moodle"
"""A capture of a real Moodle, kept outside the project; tests that want it skip where it is absent."""

NOT_CAPTURED = frozenset({"assign_overrides", "quiz_overrides", "assignsubmission_file", "tag", "tag_instance"})
"""Tables that the collector may read and the capture has not."""

ROWS_PER_INSERT = 500

OVERRIDES = """
    CREATE TABLE mdl_assign_overrides (id BIGINT PRIMARY KEY AUTO_INCREMENT, assignid BIGINT NOT NULL DEFAULT 0,
      groupid BIGINT, userid BIGINT, sortorder BIGINT, allowsubmissionsfromdate BIGINT, duedate BIGINT,
      cutoffdate BIGINT, timelimit BIGINT);
    CREATE TABLE mdl_quiz_overrides (id BIGINT PRIMARY KEY AUTO_INCREMENT, quiz BIGINT NOT NULL DEFAULT 0,
      groupid BIGINT, userid BIGINT, timeopen BIGINT, timeclose BIGINT, timelimit BIGINT, attempts MEDIUMINT,
      password VARCHAR(255))"""
"""Two of Moodle 4.5's tables that the capture lacks, as its installer makes them."""


def capture_is_here() -> bool:
    """Whether the capture of a real Moodle stands beside the project."""
    return (CAPTURE / "mariadb" / "ddl.sql").exists()


def load_capture(database: MariaDatabase, *, rows: bool = True, without_rows: Sequence[str] = ()) -> dict[str, int]:
    """Create the capture's tables and, with ``rows``, fill all but ``without_rows``; how many rows each table got."""
    ddl = (CAPTURE / "mariadb" / "ddl.sql").read_text(encoding="utf-8")
    counts: dict[str, int] = {}
    with database.connect(autocommit=False, init_command="SET sql_mode='NO_AUTO_VALUE_ON_ZERO'") as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET unique_checks=0, foreign_key_checks=0")
            for statement in (*ddl.split(";\n"), *OVERRIDES.split(";")):
                if statement.strip():
                    cursor.execute(statement)
            for file in sorted((CAPTURE / "mariadb" / "rows").glob("*.jsonl")) if rows else ():
                if file.stem not in without_rows:
                    table = f"mdl_{file.stem}"
                    counts[table] = _insert_lines(cursor, table, file)
        connection.commit()
    return counts


def _insert_lines(cursor: Any, table: str, file: Path) -> int:
    """Insert a file of JSON lines, all with the same keys, in the file's order; how many."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    if not lines:
        return 0
    columns = list(lines[0])
    names = ", ".join(f"`{column}`" for column in columns)
    places = ", ".join(["%s"] * len(columns))
    for start in range(0, len(lines), ROWS_PER_INSERT):
        values = [tuple(line[column] for column in columns) for line in lines[start : start + ROWS_PER_INSERT]]
        cursor.executemany(f"INSERT INTO `{table}` ({names}) VALUES ({places})", values)
    return len(lines)


def load_capture_into_postgres(database: PostgresDatabase) -> None:
    """Create the capture's tables as PostgreSQL has them, and fill them with the same rows."""
    ddl = (CAPTURE / "postgres" / "ddl.sql").read_text(encoding="utf-8")
    said = [line for line in ddl.splitlines() if not line.startswith("\\")]
    kept = OVERRIDES.replace("BIGINT PRIMARY KEY AUTO_INCREMENT", "BIGSERIAL PRIMARY KEY").replace(
        "MEDIUMINT", "INTEGER"
    )
    said.append(kept.replace("TABLE mdl_", "TABLE public.mdl_") + ";")
    for file in sorted((CAPTURE / "mariadb" / "rows").glob("*.jsonl")):
        # The capture withholds this switch, and PostgreSQL takes no empty text for a number.
        lines = file.read_text(encoding="utf-8").replace('"usepassword": ""', '"usepassword": 0').splitlines()
        if lines:
            table = f"public.mdl_{file.stem}"
            columns = ", ".join(f'"{column}"' for column in json.loads(lines[0]))
            rows = f"[{','.join(lines)}]".replace("'", "''")
            said.append(
                f"INSERT INTO {table} ({columns}) SELECT {columns} "
                f"FROM json_populate_recordset(NULL::{table}, '{rows}');"
            )
    database.execute("\n".join(said))
