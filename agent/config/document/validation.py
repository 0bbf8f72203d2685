"""From a document to a frozen model, or to every fault at once in words that need no knowledge of Python."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails

from agent.config.document import meant
from agent.config.document.faults import Fault, FaultsError, MisfitError
from agent.config.document.file import Document
from agent.config.document.positions import KeyPath
from agent.config.document.schema import header, kinds_that_know, known_keys, nearest
from agent.config.document.words import sentence


class Table(BaseModel):
    """Base of everything a configuration file can hold: frozen, no unknown keys, nothing guessed.

    Values are taken as TOML gives them (`"3"` is no number, `1` is no `true`). Lists arrive as tuples and numbers with
    a point as `Decimal`, so declare `tuple[X, ...]`, and `int | Decimal` where both are meant; `float` takes either.
    What checks a table is made when the first of them is read: no command starts later for those that it does not read.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_as_tuples(cls, data: Any) -> Any:
        return {key: _tuples(value) for key, value in data.items()} if isinstance(data, dict) else data


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list) else value


Model = TypeVar("Model", bound=BaseModel)


def validate(document: Document, model: type[Model], *, context: Mapping[str, Any] | None = None) -> Model:
    """``document`` as ``model``; ``context`` is what its validators may ask for.

    Raises:
        FaultsError: it does not fit; every fault at once.
    """
    value, faults = examine(document, model, context=context)
    if value is None:
        raise FaultsError(faults)
    return value


def examine(
    document: Document, model: type[Model], *, context: Mapping[str, Any] | None = None
) -> tuple[Model | None, tuple[Fault, ...]]:
    """``document`` as ``model``, or None and its faults: for sets of documents whose faults are told together."""
    value, faults = located(document, model, context=context)
    return value, tuple(sorted({fault for _, fault in faults}))


def located(
    document: Document, model: type[Model], *, context: Mapping[str, Any] | None = None
) -> tuple[Model | None, list[tuple[KeyPath, Fault]]]:
    """``document`` as ``model``, or None and its faults, each with the path of what does not fit or is missing."""
    try:
        return model.model_validate(document.data, context=context), []
    except ValidationError as error:
        listed = error.errors(include_url=False)
        found = [_Misfit(details, document.data) for details in listed if not _only_follows(details)]
    misfits = _without_wrong_branches(found, document.data)
    return None, [(one.path, _fault(one, document, model)) for one in misfits]


def _only_follows(details: ErrorDetails) -> bool:
    """Whether a list is called too short only because its elements, told one by one, did not count."""
    return details["type"] == "too_short" and len(details["input"]) >= details["ctx"]["min_length"]


class _Misfit:
    """One pydantic error with its location sorted out: what of it is the document's, what names a union's branch."""

    def __init__(self, details: ErrorDetails, data: Mapping[str, Any]) -> None:
        self.details = details
        self.on_key = False
        self.branches: tuple[tuple[KeyPath, str], ...] = ()
        path: KeyPath = ()
        value: Any = data
        location = details["loc"]
        for number, step in enumerate(location):
            inside = _inside(value, step)
            last = number == len(location) - 1
            if inside is not None:
                path, value = (*path, step), inside[0]
            elif last and step == "[key]":
                self.on_key = True
            elif last and details["type"] == "missing":
                path = (*path, step)
            else:
                self.branches = (*self.branches, (path, str(step)))
        error = details.get("ctx", {}).get("error")
        self.tag_key = str(details.get("ctx", {}).get("discriminator", "")).strip("'")
        if details["type"] == "union_tag_invalid":
            path = (*path, self.tag_key)
        self.misfit = error if isinstance(error, MisfitError) else None
        if self.misfit:
            path = (*path, *self.misfit.at)
        self.path = path


def _inside(value: Any, step: str | int) -> tuple[Any] | None:
    """What stands at one key or number of a value, in a tuple; None where there is no such place."""
    if isinstance(value, Mapping) and step in value:
        return (value[step],)
    if isinstance(value, Sequence) and not isinstance(value, str) and isinstance(step, int) and step < len(value):
        return (value[step],)
    return None


def _without_wrong_branches(found: Iterable[_Misfit], data: Mapping[str, Any]) -> list[_Misfit]:
    """Of a value that could have been several things, the faults of the one it was most likely meant to be."""
    kept: list[_Misfit] = []
    forks: dict[KeyPath, dict[str, list[_Misfit]]] = {}
    for one in found:
        if one.branches:
            at, branch = one.branches[0]
            one.branches = one.branches[1:]
            forks.setdefault(at, {}).setdefault(branch, []).append(one)
        else:
            kept.append(one)
    for at, branches in forks.items():
        inner = [_without_wrong_branches(misfits, data) for misfits in branches.values()]
        kept.extend(_likeliest(at, inner))
    return kept


def _likeliest(at: KeyPath, branches: list[list[_Misfit]]) -> list[_Misfit]:
    fitting = [misfits for misfits in branches if not any(one.path == at and _of_another_type(one) for one in misfits)]
    if fitting:
        return min(fitting, key=len)
    first = branches[0][0]
    first.details["ctx"] = {"one_of": tuple(one.details for misfits in branches for one in misfits if one.path == at)}
    return [first]


def _of_another_type(one: _Misfit) -> bool:
    kind = one.details["type"]
    return kind.endswith("_type") or kind in {"is_instance_of", "literal_error", "enum", "none_required"}


def _fault(one: _Misfit, document: Document, model: type[BaseModel]) -> Fault:
    kind = one.details["type"]
    if kind == "extra_forbidden":
        return _unknown_key(one.path, document, model)
    if kind == "union_tag_not_found":
        return _missing_key((*one.path, one.tag_key), document, model)
    if kind == "missing":
        return _missing_key(one.path, document, model)
    if one.misfit:
        hint = "; ".join(filter(None, (one.misfit.hint, _looks_right(one.path, document))))
        return document.fault(one.path, one.misfit.message, hint, on="key" if one.on_key else "value")
    table = header(model, one.path)
    if table and kind in _NO_TABLE and _of_tables(one.details["input"]):
        often = "as often as it is needed" if table.startswith("[[") else "once"
        return document.fault(one.path, f"{table} stands {often}, and is written so", f"not {_other(table)}", on="key")
    name = _told(one.path)
    message, hint = sentence(one.details, name)
    message = f"{name}: {message}" if name else message
    return document.fault(one.path, message, hint, on="key" if one.on_key else "value")


def _looks_right(path: KeyPath, document: Document) -> str:
    """What of a text that does not fit cannot be told from what would fit by looking at it."""
    try:
        value = document.value(path)
    except LookupError:
        return ""
    return meant.in_value(value) if isinstance(value, str) else ""


def _of_tables(value: object) -> bool:
    """Whether it is a table, or a list of tables."""
    listed = value if isinstance(value, tuple | list) else [value]
    return bool(listed) and all(isinstance(each, Mapping) for each in listed)


_NO_TABLE = frozenset({"tuple_type", "list_type", "dict_type", "mapping_type", "model_type", "model_attributes_type"})


def _other(table: str) -> str:
    """`[rule]` for `[[rule]]`, and the other way round."""
    return table[1:-1] if table.startswith("[[") else f"[{table}]"


def _missing_key(path: KeyPath, document: Document, model: type[BaseModel]) -> Fault:
    *table, key = path
    where = _header(tuple(table)) if table else "the file"
    called = header(model, path) or f"`{key}`"
    return document.fault(tuple(table), f"{called} is missing from {where}", "it is required")


def _unknown_key(path: KeyPath, document: Document, model: type[BaseModel]) -> Fault:
    *table, key = path
    name, parent = str(key), tuple(table)
    meant = _hung_below(name, parent, document, model)
    if meant is not None:
        return hung(path, meant, document)
    hint = _meant_by(name, parent, document, model)
    return document.fault(path, f"unknown key `{name}` in {_header(parent) if parent else 'the file'}", hint, on="key")


def hung(path: KeyPath, above: KeyPath, document: Document) -> Fault:
    """Of a key that belongs to the table ``above``, and that a header in between took: what TOML made of it."""
    *table, name = path
    line, _ = document.line_column(document.place(tuple(table)).key)
    place = f"to the keys of {_header(above)}" if above else "to the top of the file"
    below = _header(tuple(table))
    message = f"`{name}` belongs {place}, but TOML reads it as a key of {below}, which line {line} opened"
    return document.fault(path, message, f"move it above line {line}", on="key")


def _meant_by(name: str, parent: KeyPath, document: Document, model: type[BaseModel]) -> str:
    """What an unknown key was meant to be, or where it would stand."""
    if kinds := kinds_that_know(model, parent, name):
        return f"it is for kind {', '.join(kinds)}"
    known = known_keys(model, parent, document.value(parent))
    likely = _ELSEWHERE.get(name, "")
    likely = likely if likely in known else nearest(name, known)
    return f"did you mean `{likely}`?" if likely else f"known here: {', '.join(known)}" if known else ""


_ELSEWHERE: Mapping[str, str] = {
    "points": "award",
    "reward": "award",
    "event": "on",
    "trigger": "on",
    "when": "conditions",
    "where": "conditions",
    "if": "conditions",
    "name": "title",
    "enabled": "mode",
    "per": "once_per",
    "max": "limit",
    "who": "recipient",
    "to": "recipient",
    "start": "from",
    "end": "until",
    "tz": "timezone",
}
"""What other systems call a key, and what it is called here; it is told where that is known."""


def _hung_below(name: str, parent: KeyPath, document: Document, model: type[BaseModel]) -> KeyPath | None:
    """The table above that knows ``name``, where a [header] in between took it; None where it was not so."""
    if not document.place(parent).headed or (parent and parent not in document.places):
        return None
    for length in reversed(range(len(parent))):
        above = parent[:length]
        if name in known_keys(model, above) and not isinstance(document.value(above), list):
            return above
    return None


def _header(path: KeyPath) -> str:
    """`[[rule.example]]` for ("rule", 3, "example", 0)."""
    names = ".".join(step for step in path if isinstance(step, str))
    return f"[[{names}]]" if path and isinstance(path[-1], int) else f"[{names}]"


def _told(path: KeyPath) -> str:
    """The innermost key of a path, as a sentence about its value begins."""
    names = [step for step in path if isinstance(step, str)]
    return f"`{names[-1]}`" if names else ""
