"""From a document to a model: every fault at once, at its place, in plain words."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from agent.config.document import FaultsError, MisfitError, Table, examine, parse, quoted, validate


class Example(Table):
    event: dict[str, int | str]
    expect: dict[str, int] = Field(default_factory=dict)


class Odds(Table):
    count: int = Field(1, ge=1, lt=10)
    share: float = Field(0.5, gt=0, le=1)
    word: str = Field("abc", min_length=2, max_length=4, pattern="^[a-z]*$")
    words: tuple[str, ...] = Field(("a", "b"), min_length=2, max_length=3)
    on: bool = True
    day: date = date(2026, 9, 1)
    at: datetime = datetime(2026, 9, 1, tzinfo=UTC)
    table: dict[str, int] = Field(default_factory=dict)
    even: int = 2
    token_files: tuple[str, ...] = ()

    @field_validator("even")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError("must be even")
        return value


class Part(Table):
    to: Literal["subject", "referrer"]
    points: int


class Rule(Table):
    id: Annotated[str, Field(min_length=1)]
    limit: str | tuple[str, ...] = ""
    award: int | dict[str, int] | tuple[Part, ...] = 0
    start: int = Field(0, alias="from")
    share: float = 0.0
    example: tuple[Example, ...] = ()
    mode: Literal["live", "shadow", "off"] = "live"

    @field_validator("limit")
    @classmethod
    def _limit(cls, value: str) -> str:
        if value == "3 per day":
            raise MisfitError("this is no limit", 'write "3/day"')
        return value

    @model_validator(mode="after")
    def _award_or_share(self) -> Rule:
        if self.award and self.share:
            raise MisfitError("award and share exclude each other", "keep one", at=("share",))
        return self


class Log(Table):
    kind: Literal["log"]
    prefix: str = ""


class Post(Table):
    kind: Literal["post"]
    path: str


class File(Table):
    version: Literal[1] = Field(alias="schema")
    timezone: str = ""
    calendar: dict[str, int] = Field(default_factory=dict)
    rule: tuple[Rule, ...] = ()
    source: tuple[Annotated[Log | Post, Field(discriminator="kind")], ...] = ()


def told(text: str) -> list[str]:
    """The faults of a file, without its name."""
    with pytest.raises(FaultsError) as caught:
        validate(parse(text.encode(), Path("rules.toml")), File)
    return [str(fault).removeprefix("rules.toml:") for fault in caught.value.faults]


def rule(text: str) -> str:
    """The only fault of one rule whose lines begin on line 4."""
    (fault,) = told(f"schema = 1\n[[rule]]\nid = 'a'\n{text}")
    return fault


def test_a_file_in_order_becomes_a_frozen_model() -> None:
    text = "schema = 1\n[[rule]]\nid = 'a'\nfrom = 2\nshare = 0.5\n[[source]]\nkind = 'post'\npath = '/x'\n"
    file = validate(parse(text.encode(), Path("rules.toml")), File)

    assert (file.rule[0].start, file.rule[0].share) == (2, 0.5)
    assert file.source == (Post(kind="post", path="/x"),)


def test_a_number_in_quotes_is_not_taken_for_a_number() -> None:
    assert rule('from = "3"') == '4:8: `from`: the text "3" cannot stand here, expected a whole number'


def test_true_is_not_taken_for_one() -> None:
    assert rule("from = true") == "4:8: `from`: true cannot stand here, expected a whole number"


def test_a_word_outside_a_closed_list_is_told_with_the_list_and_the_nearest() -> None:
    expected = '4:8: `mode`: the text "shadwo" is not one of "live", "shadow", "off", did you mean "shadow"?'
    assert rule('mode = "shadwo"') == expected


def test_a_number_of_a_closed_list_in_quotes_is_to_be_written_without_them() -> None:
    assert told("schema = '1'\nrule = []") == ['1:10: `schema`: the text "1" is not 1, write 1 without quotes']


def test_an_empty_text_is_told_where_it_stands() -> None:
    assert told("schema = 1\n[[rule]]\nid = ''") == ["3:6: `id`: must not be empty"]


def test_an_unknown_key_is_told_with_the_nearest_name_known_at_that_place() -> None:
    assert rule("limt = '3/day'") == "4:1: unknown key `limt` in [[rule]], did you mean `limit`?"


def test_a_key_that_is_called_otherwise_here_is_told_by_what_it_is_called_where_that_is_known() -> None:
    assert rule("points = 10") == "4:1: unknown key `points` in [[rule]], did you mean `award`?"
    assert rule("enabled = true") == "4:1: unknown key `enabled` in [[rule]], did you mean `mode`?"
    assert ", known here: id, limit, " in rule("trigger = 'x'")


def test_an_unknown_key_like_no_other_is_told_with_the_keys_known_there() -> None:
    expected = "4:11: unknown key `zzz` in [[rule.award]], known here: to, points"
    assert rule("award = [{zzz = 1, to = 'subject', points = 1}]") == expected


def test_the_python_name_behind_an_alias_is_no_key() -> None:
    assert rule("start = 1").startswith("4:1: unknown key `start` in [[rule]]")


def test_a_missing_key_is_told_at_the_table_that_lacks_it() -> None:
    assert told("schema = 1\n\n  [[rule]]\n") == ["3:3: `id` is missing from [[rule]], it is required"]


def test_a_key_missing_from_the_file_is_told_at_its_start() -> None:
    assert told("timezone = 'UTC'") == ["1:1: `schema` is missing from the file, it is required"]


def test_a_rule_key_written_after_its_example_is_explained_as_hung_on_the_example() -> None:
    fault = rule("[[rule.example]]\nevent = {}\nlimit = '3/day'")

    assert fault == (
        "6:1: `limit` belongs to the keys of [[rule]], but TOML reads it as a key of [[rule.example]], "
        "which line 4 opened, move it above line 4"
    )


def test_a_top_key_written_after_a_rule_is_explained_as_hung_on_the_rule() -> None:
    assert "belongs to the top of the file, but TOML reads it as a key of [[rule]]" in rule("timezone = 'UTC'")


def test_a_key_of_an_inline_table_is_not_explained_as_hung() -> None:
    assert rule("example = [{event = {}, limit = 1}]").startswith("4:25: unknown key `limit` in [[rule.example]]")


def test_of_a_value_that_could_be_several_things_only_the_likeliest_is_told() -> None:
    faults = told("schema = 1\n[[rule]]\nid = 'a'\naward = [{ to = 'subject', points = '1' }]")

    assert faults == ['4:37: `points`: the text "1" cannot stand here, expected a whole number']


def test_a_value_that_fits_nothing_is_told_everything_it_could_be() -> None:
    expected = "4:9: `award`: true cannot stand here, expected a whole number or a table { … } or a list […]"
    assert rule("award = true") == expected


def test_what_a_validator_says_stands_at_the_value_with_its_hint() -> None:
    assert rule("limit = '3 per day'") == '4:9: this is no limit, write "3/day"'


def test_a_validator_of_a_table_can_point_to_the_key_it_means() -> None:
    assert rule("award = 1\nshare = 0.5") == "5:9: award and share exclude each other, keep one"


def test_a_source_of_an_unknown_kind_is_told_at_its_kind() -> None:
    assert told("schema = 1\n[[source]]\nkind = 'pots'") == [
        '3:8: `kind`: the text "pots" is not one of "log", "post", did you mean "post"?'
    ]


def test_a_kind_that_is_no_text_is_told_as_it_is_written() -> None:
    (fault,) = told("schema = 1\n[[source]]\nkind = true")
    assert fault.startswith('3:8: `kind`: true is not one of "log", "post"')


def test_a_source_without_kind_lacks_its_kind() -> None:
    assert told("schema = 1\n[[source]]") == ["2:1: `kind` is missing from [[source]], it is required"]


def test_a_key_of_another_kind_of_source_is_unknown_here_and_says_of_which() -> None:
    expected = ["4:1: unknown key `path` in [[source]], it is for kind post"]
    assert told("schema = 1\n[[source]]\nkind = 'log'\npath = '/x'") == expected


def test_a_long_text_is_told_by_its_beginning() -> None:
    assert rule(f"from = '{'x' * 80}'").startswith(f'4:8: `from`: the text "{"x" * 39}…" cannot stand here')


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("count = 0", "1:9: `count`: must be at least 1"),
        ("count = 10", "1:9: `count`: must be less than 10"),
        ("count = 1.0", "1:9: `count`: the number 1.0 cannot stand here, expected a whole number"),
        ("share = 0", "1:9: `share`: must be more than 0"),
        ("share = 1.5", "1:9: `share`: must be at most 1"),
        ("share = nan", "1:9: `share`: must be a number, not inf or nan"),
        ("share = []", "1:9: `share`: a list cannot stand here, expected a number"),
        ("word = 'a'", "1:8: `word`: must have at least 2 characters"),
        ("word = 'abcde'", "1:8: `word`: must have at most 4 characters"),
        ("word = 'A-'", "1:8: `word`: must look like ^[a-z]*$"),
        ("word = {}", '1:8: `word`: a table cannot stand here, expected a text in quotes, such as "abc"'),
        ("words = ['a']", "1:9: `words`: must have at least 2 elements"),
        ("words = ['a','b','c','d']", "1:9: `words`: must have at most 3 elements"),
        ("words = ['a', 2]", '1:15: `words`: the number 2 cannot stand here, expected a text in quotes, such as "abc"'),
        ("words = 'a'", '1:9: `words`: the text "a" cannot stand here, expected a list: ["a"]'),
        ("words = 'a, 2'", '1:9: `words`: the text "a, 2" cannot stand here, expected a list: ["a", 2]'),
        ("on = 'true'", '1:6: `on`: the text "true" cannot stand here, expected true or false'),
        (
            "day = 12:00:00",
            "1:7: `day`: the time 12:00:00 cannot stand here, expected a date, such as 2026-09-01 without quotes",
        ),
        (
            "at = 2026-09-01",
            (
                "1:6: `at`: the date 2026-09-01 cannot stand here, "
                "expected a date and time, such as 2026-09-01T09:00:00 without quotes"
            ),
        ),
        ("table = [1]", "1:9: `table`: a list cannot stand here, expected a table { … }"),
        ("table.a = false", "1:11: `a`: false cannot stand here, expected a whole number"),
        ("even = 3", "1:8: `even`: must be even"),
        ("token_files = 'geheim'", "1:15: `token_files`: this value cannot stand here, expected a list […]"),
    ],
)
def test_each_kind_of_wrong_value_is_told_in_plain_words(line: str, expected: str) -> None:
    _, faults = examine(parse(line.encode(), Path("rules.toml")), Odds)

    assert [str(fault).removeprefix("rules.toml:") for fault in faults] == [expected]


def test_every_fault_of_a_file_is_told_at_once_and_without_jargon() -> None:
    faults = told("schma = 1\n[[rule]]\nmode = 3\nlimt = 1\n[calendar]\na = 'x'\n[[source]]\nkind = 'post'\n")

    assert [fault.split(":")[0] for fault in faults] == ["1", "1", "2", "3", "4", "6", "7"]
    assert not any(word in fault for fault in faults for word in ("pydantic", "http", "Input", "valid"))


def test_the_faults_of_several_files_can_be_told_together() -> None:
    faults = [fault for name in ("b.toml", "a.toml") for fault in examine(parse(b"schema = 2\n", Path(name)), File)[1]]

    assert [fault.file for fault in FaultsError(faults).faults] == ["a.toml", "b.toml"]


@pytest.mark.parametrize(
    ("value", "as_written"),
    [
        (True, "true"), (3, "3"), (Decimal("-inf"), "-inf"), (Decimal("1.5"), "1.5"), (date(2026, 9, 1), "2026-09-01"),
        (time(4), "04:00:00"), ([1], "a list"), ({"a": 1}, "a table"), ("it's", '"it\'s"'),
        (r"\mod_quiz\event\x", r"'\mod_quiz\event\x'"), ("x" * 500, f"'{'x' * 79}…'"),
    ],
)  # fmt: skip
def test_a_fault_repeats_a_value_as_toml_has_it_and_not_as_python_does(value: object, as_written: str) -> None:
    assert quoted(value) == as_written


def test_a_table_with_the_wrong_brackets_is_told_how_it_is_written() -> None:
    assert told("schema = 1\n[source]\nkind = 'log'") == [
        "2:2: [[source]] stands as often as it is needed, and is written so, not [source]"
    ]
