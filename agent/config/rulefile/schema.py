"""JSON Schema of rules.toml for editors, made from the models that read it: what can be written, not what it becomes.

What only a comparison of several keys shows (an unknown currency, an example that is untrue) is left to `rules check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from agent.config.rulefile.models import RulesPart
from agent.config.rulefile.types import ID
from agent.model import ROLES, Trust

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_NUMBER = r"-?\d{1,15}(\.\d{1,9})?"
_DURATION = r"(?=\d*[1-9])\d{1,8}[smhdw]"
_LENGTH = r"-?\d{1,8}[smhdw]"
_NAME = "[A-Za-z][A-Za-z0-9_-]{0,63}"
_CLOCK = r"([01]\d|2[0-3]):[0-5]\d"
_DAY = r"\d{4}-\d\d-\d\d"
_DAYS = ("mon(day)?", "tue(sday)?", "wed(nesday)?", "thu(rsday)?", "fri(day)?", "sat(urday)?", "sun(day)?")
_WEEKDAY = "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in "|".join(_DAYS))
_LIMIT = rf"\s*(?=[\d.]*[1-9])\d{{1,15}}(\.\d{{1,9}})?( +{_NAME})? */ *({_NAME}|{_DURATION})\s*"
_EVENT = r"([a-z0-9_*]+(\.[a-z0-9_*]+)*|\\?[a-z0-9_]+\\event\\[a-z0-9_]+)"


def _text(form: str, *examples: str, description: str = "") -> JsonSchemaValue:
    found: JsonSchemaValue = {"type": "string", "pattern": f"^({form})$", "examples": list(examples)}
    return found | ({"description": description} if description else {})


_PLAIN: JsonSchemaValue = {"type": ["string", "number", "boolean"]}
_LIMIT_TEXT = _text(_LIMIT, "3/day", "20 points/ever", "5/7d")
_BUDGET: list[JsonSchemaValue] = [
    _text(_LIMIT, "500 points/day"),
    {"type": "object", "properties": {"of": _LIMIT_TEXT}, "required": ["of"], "additionalProperties": False},
]
_AMOUNT: JsonSchemaValue = {"type": "number", "minimum": 0, "maximum": 10**12}
_FACTOR: JsonSchemaValue = {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, _text(_NUMBER, "0.1")]}
_ROUNDED: JsonSchemaValue = {"round": {"enum": ["down", "up", "half"]}, "max": _FACTOR}
_PER: JsonSchemaValue = {"type": "object", "minProperties": 1, "additionalProperties": _FACTOR}
_COMPUTED: JsonSchemaValue = {
    "anyOf": [
        {
            "type": "object",
            "properties": {"per": _PER, **_ROUNDED},
            "required": ["per"],
            "additionalProperties": False,
        },
        {
            "type": "object",
            "properties": {"of": {"type": "string", "minLength": 1}, "times": _FACTOR, **_ROUNDED},
            "required": ["of"],
            "additionalProperties": False,
        },
    ]
}
_AMOUNTS: JsonSchemaValue = {
    "type": "object",
    "additionalProperties": {"anyOf": [_AMOUNT, _COMPUTED]},
    "minProperties": 1,
}
_FIXED: JsonSchemaValue = {"type": "object", "additionalProperties": _AMOUNT, "minProperties": 1}
_PRIZE: JsonSchemaValue = _FIXED | {"properties": {"badge": _text(ID, "gold")}}
_RANGE = _text(rf"\s*{_NUMBER}\s*\.\.\s*{_NUMBER}\s*", "30..60")
_COMPARISON: JsonSchemaValue = {
    "anyOf": [
        _PLAIN,
        {"type": "array", "items": _PLAIN, "minItems": 1},
        {
            "type": "object",
            "properties": {
                "is": {"anyOf": [_PLAIN, {"type": "array", "items": _PLAIN, "minItems": 1}]},
                "if_unknown": {"enum": ["pass", "fail", "hold"]},
            },
            "required": ["is"],
            "additionalProperties": False,
        },
    ],
    "examples": [">=80", "60..79", "!=x", "abc*", True],
}
_TIMES: JsonSchemaValue = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
_CALLED: JsonSchemaValue = {"type": "string", "minLength": 1}
_SEVERAL: JsonSchemaValue = {"type": "array", "minItems": 1, "items": _CALLED}
_DISTINCT: JsonSchemaValue = {
    "type": "object",
    "properties": {"distinct": _SEVERAL, "at_least": _TIMES},
    "required": ["distinct"],
    "additionalProperties": False,
}
_BALANCE: JsonSchemaValue = {
    "type": "object",
    "properties": {
        "currency": _CALLED,
        "at_least": {"type": "number", "exclusiveMinimum": 0},
        "of": {"enum": ["lifetime", "current"]},
    },
    "required": ["currency", "at_least"],
    "additionalProperties": False,
}
_COUNTED: JsonSchemaValue = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("rule", "group", "tag"), _CALLED),
        "of": {"type": "array", "minItems": 1, "items": {"anyOf": [_CALLED, {"type": "object", "minProperties": 1}]}},
        "at_least": _TIMES,
        "distinct": {"type": "boolean"},
    },
    "required": ["at_least"],
    "additionalProperties": False,
}


def _criterion(deeper: JsonSchemaValue) -> JsonSchemaValue:
    """A table of criteria; ``deeper`` is one inside `all_of` and `any_of`."""
    inside: JsonSchemaValue = {"type": "array", "minItems": 1, "items": {"anyOf": [_CALLED, deeper]}}
    return {
        "type": "object",
        "properties": {
            **dict.fromkeys(("rule", "group", "tag", "badge", "level", "tier", "programme"), _CALLED),
            **dict.fromkeys(("badges", "rules", "programmes"), _SEVERAL),
            **dict.fromkeys(("all_of", "any_of"), inside),
            "at_least": _TIMES,
            "distinct": {"type": "boolean"},
            "count": _COUNTED,
            "balance": _BALANCE,
            "tags": _DISTINCT,
        },
        "minProperties": 1,
        "additionalProperties": False,
        "examples": [{"rule": "quiz-80", "at_least": 3}, {"badge": "starter"}],
    }


_CRITERION = _criterion(_criterion({"type": "object", "minProperties": 1}))
_CRITERIA: JsonSchemaValue = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [_CALLED, _CRITERION]},
}
WRITTEN: Mapping[str, JsonSchemaValue] = {
    "_identifier": _text(ID, "quiz-80"),
    "name": _text(_NAME, "sem1"),
    "_period": _text(_NAME, "sem1"),
    "_currency": _text(_NAME, "points"),
    "_zone": _text(r"[A-Za-z0-9_+/-]+", "Africa/Johannesburg", description="an IANA time zone"),
    "_on": _text(_EVENT, "quiz.submitted", "forum.*", r"\mod_quiz\event\attempt_submitted"),
    "_kind": _text(r"[a-z0-9_]+(\.[a-z0-9_]+)+", "thing.happened"),
    "_once": _text(_NAME, "lesson", "course", "day", "sem1"),
    "_course": _text(r"(?!id(number)?:(\s|.*\s$))[^:]([\s\S]*[^:])?", "BIO101", "idnumber:HS-103", "id:7"),
    "_valued_course": _text(r"(?!id:|idnumber:)[\s\S]+", "default", "BIO101"),
    "_expiry": _text(f"never|{_DURATION}", "365d", "never"),
    "_operand": {"anyOf": [{"type": "number"}, _text(f"{_NUMBER}|{_LENGTH}", "14d")]},
    "_trust": {"enum": list(Trust.__members__)},
    "_expected": {"type": ["number", "string"]},
    "_budget": {
        "type": "object",
        "additionalProperties": {"anyOf": [*_BUDGET, {"type": "array", "items": {"anyOf": _BUDGET}}]},
    },
    "_own_budget": {"anyOf": _BUDGET},
    "comparison": _COMPARISON,
    "weekday": _text(_WEEKDAY, "mon"),
    "hours": _text(rf"{_CLOCK} *- *({_CLOCK}|24:00)", "08:00-18:00"),
    "clock": _text(_CLOCK, "04:00"),
    "days": _text(rf"{_DAY}(\.\.{_DAY})?", "2026-12-24..2027-01-05"),
    "rate": _text(rf"\s*(?=\d*[1-9])\d{{1,6}} */ *{_DURATION}\s*", "20/10m"),
    "written_duration": _text(_DURATION, "7d", "12h"),
    "limit": {
        "anyOf": [
            _LIMIT_TEXT,
            {
                "type": "object",
                "properties": {
                    "of": _LIMIT_TEXT,
                    "over": {"enum": ["refuse", "trim"]},
                    "for": {"enum": list(ROLES)},
                },
                "required": ["of"],
                "additionalProperties": False,
            },
        ]
    },
    "crossing": {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": {"type": "number"},
        "examples": [{"section_progress_pct": 80}],
    },
    "held_share": _text(r"\s*\d{1,3}(\.\d{1,3})? *%\s*", "10%"),
    "looked_by": _text(
        r"([a-z][a-z0-9_]* in )?[a-z0-9_*]+(\.[a-z0-9_*]+)+", "lesson.completed", "score_pct in quiz.submitted"
    ),
    "until_when": {"anyOf": [_text(_DURATION, "14d"), {"description": "a date: the last day that counts"}]},
    "how_often": {"anyOf": [{"type": "boolean"}, _text(_NAME, "week", "sem1")]},
    "how_enrolled": {
        "anyOf": [
            {"enum": ["automatic", "by hand"]},
            {
                "type": "object",
                "properties": {"cohorts": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
                "required": ["cohorts"],
                "additionalProperties": False,
            },
        ]
    },
    "criteria": _CRITERIA,
    "criterion": {
        "anyOf": [_COUNTED, _BALANCE],
        "examples": [{"rule": "quiz-80", "at_least": 3}, {"currency": "points", "at_least": 500}],
    },
    "named": {"type": "string", "minLength": 1},
    "passing": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 100}, {"const": "completed"}]},
    "_bound": {"type": "number", "exclusiveMinimum": 0},
    "_total": {"type": "number", "minimum": 0},
    "duration": _text(_DURATION, "14d"),
    "fact_names": {
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,31}$"},
        "additionalProperties": _text("[A-Za-z0-9_]{1,255}", "dept"),
    },
    "field_name": _text("[A-Za-z0-9_]{1,255}", "referredby"),
    "required": _CRITERION | {"examples": [{"badges": ["starter"], "level": "Regular"}]},
    "badge_tags": {
        "anyOf": [
            {"type": "array", "items": {"type": "string"}},
            {
                "type": "object",
                "properties": {
                    "distinct": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                    "at_least": _TIMES,
                },
                "required": ["distinct"],
                "additionalProperties": False,
            },
        ]
    },
    "effective_days": {
        "anyOf": [
            _text(_DAY, "2026-09-01"),
            {
                "type": "object",
                "properties": {"from": _text(_DAY, "2026-09-01"), "until": _text(_DAY, "2026-12-20")},
                "minProperties": 1,
                "additionalProperties": False,
            },
        ]
    },
    "reviewed": {
        "anyOf": [
            {"const": "always"},
            {
                "type": "object",
                "properties": {
                    "when": {"const": "always"},
                    "adjust": {"anyOf": [_RANGE, {"type": "object", "additionalProperties": _RANGE}]},
                },
                "additionalProperties": False,
            },
        ],
        "examples": ["always", {"when": "always", "adjust": "30..60"}],
    },
    "times_usual": _text(r"\s*(?=[\d.]*[1-9])\d{1,6}(\.\d{1,3})? *x usual\s*", "10x usual"),
    "floors": _FIXED | {"additionalProperties": {"type": "number", "minimum": 0}} | {"examples": [{"points": 500}]},
    "away": _text(_DURATION, "30d"),
    "_every": _text(_NAME, "day", "week", "month", "year", "sem1"),
    "_cron": _text(r"\S+( +\S+){4}", "0 18 * * FRI"),
    "_over": _text(f"{_NAME}|{_DURATION}", "week", "30d", "sem1"),
    "_measure": _text(r".*\S.*", "points earned", "acts with lesson.completed", "sum of FACT in KIND"),
    "_above_zero": {"anyOf": [{"type": "number", "minimum": 0}, _text(_NUMBER, "0.5")]},
    "_places": {"type": "array", "minItems": 1, "items": {"anyOf": [_AMOUNT, _PRIZE]}, "examples": [[50, 30, 10]]},
    "_fixed_award": {"anyOf": [_AMOUNT, _FIXED], "examples": [10, {"points": 10}]},
    "award_parts": {
        "anyOf": [
            _AMOUNT,
            _AMOUNTS,
            {
                "type": "array",
                "minItems": 1,
                "items": _AMOUNTS | {"properties": {"to": {"enum": list(ROLES)}}},
            },
        ],
        "examples": [10, {"points": 10, "reputation": 1}],
    },
}
"""What can be written where one of these functions reads the value; by the function's name."""


def rules_schema() -> JsonSchemaValue:
    """The schema of one file of rules."""
    made = RulesPart.model_json_schema(by_alias=True, schema_generator=_Written)
    rule = made["$defs"]["Rule"]
    rule["anyOf"] = [{"required": ["award"]}, {"required": ["badge"]}]
    return {"$schema": DIALECT, "title": "Rules of the rewards sidecar", **_without_titles(made)}


class _Written(GenerateJsonSchema):
    """Where a function reads the value, `WRITTEN` says what it accepts; one that is not in it accepts all."""

    def function_plain_schema(self, schema: core_schema.PlainValidatorFunctionSchema) -> JsonSchemaValue:
        """What a value that a function reads can be."""
        return dict(WRITTEN.get(_called(schema), {}))

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """One value for a list of one."""
        inner = self.generate_inner(schema["schema"])
        if _called(schema) == "_listed" and "items" in inner:
            return {"anyOf": [inner["items"], inner]}
        return inner

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Defaults are told by `rules explain`: here they would be what they become, not what is written."""
        return self.generate_inner(schema["schema"])

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """TOML has no null: what can be None can be left out."""
        return self.generate_inner(schema["schema"])


def _called(schema: Any) -> str:
    return str(getattr(schema["function"]["function"], "__name__", ""))


def _without_titles(value: Any, inside: Literal["schema", "names"] = "schema") -> Any:
    """Pydantic's titles only repeat the keys."""
    if isinstance(value, list):
        return [_without_titles(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {
        key: _without_titles(one, "names" if inside == "schema" and key in {"properties", "$defs"} else "schema")
        for key, one in value.items()
        if inside == "names" or key != "title" or not isinstance(one, str)
    }
