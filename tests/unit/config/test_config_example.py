"""config.example.toml against the models: nothing is left out, and what it calls a default is one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic.fields import FieldInfo

from agent.config.document import Table
from agent.config.settings import Settings, load_settings

EXAMPLE = Path(__file__).parents[3] / "config.example.toml"
OPTION = re.compile(r"^#(?=\[|[a-z_]+ = )", re.MULTILINE)


@pytest.fixture
def everything(tmp_path: Path) -> Settings:
    """The example with every option that is commented out put into force."""
    path = tmp_path / "config.toml"
    path.write_text(OPTION.sub("", EXAMPLE.read_text("utf-8")), "utf-8")
    return load_settings(path)


def tables(table: Table) -> Iterator[Table]:
    """A table and all tables in it."""
    yield table
    for name in type(table).model_fields:
        value = getattr(table, name)
        for one in value if isinstance(value, tuple) else (value,):
            if isinstance(one, Table):
                yield from tables(one)


def test_the_example_is_a_configuration_as_it_stands() -> None:
    assert load_settings(EXAMPLE).log_sources[0].name == "moodle"


def test_every_option_of_the_models_stands_in_the_example(everything: Settings) -> None:
    written: dict[type[Table], set[str]] = {}
    for table in tables(everything):
        written.setdefault(type(table), set()).update(table.model_fields_set)

    missing = {model.__name__: set(model.model_fields) - names for model, names in written.items()}
    assert not any(missing.values()), missing
    assert len(written) == 13


def test_every_value_it_shows_as_default_is_the_default_of_the_code(everything: Settings, tmp_path: Path) -> None:
    example = EXAMPLE.read_text("utf-8")
    compared = 0
    for table in tables(everything):
        for name, field in type(table).model_fields.items():
            if is_told_by_example(field, example, field.alias or name):
                continue
            assert at_home(getattr(table, name), tmp_path) == field.get_default(call_default_factory=True), (
                f"{type(table).__name__}.{name}"
            )
            compared += 1
    assert compared > 20


def is_told_by_example(field: FieldInfo, example: str, key: str) -> bool:
    """Whether a field has no value of its own to be shown; then the example shows one and says that it is none."""
    if (
        field.is_required()
        or isinstance(field.default, Table)
        or key in {"http", "catalogue", "callback", "credentials", "pull", "agreed", "cohorts", "profile_field"}
    ):
        return True
    if field.default is not None:
        return False
    lines = [line for line in example.splitlines() if re.match(rf"#?{key} = ", line)]
    assert any("no default" in line or "without it" in line for line in lines), lines
    return True


def at_home(value: Any, home: Path) -> Any:
    """A value, with a path below the file's directory as it is written."""
    return value.relative_to(home) if isinstance(value, Path) and value.is_relative_to(home) else value


def test_the_example_explains_each_option_that_has_words_to_choose_from() -> None:
    example = EXAMPLE.read_text("utf-8")

    for words in ("live | shadow", "production | staging", "pseudonym | username | email", "opt-out | opt-in"):
        assert words in example
