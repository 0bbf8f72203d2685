"""What a pydantic model knows at one place of a document: which keys, and which of them a table above would know."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from agent.config.document.positions import KeyPath


def known_keys(model: type[BaseModel], path: KeyPath, value: Any = None) -> tuple[str, ...]:
    """The keys that ``model`` knows in the table at ``path``, in the order it declares them; empty where any may be.

    Where several models could stand there, ``value`` (what does stand there) leaves those whose `kind = "…"` fits.
    """
    tables = _tables(model, path)
    fitting = [table for table in tables if _fits(table, value)] or tables
    return tuple(dict.fromkeys(field.alias or name for table in fitting for name, field in table.model_fields.items()))


def kinds_that_know(model: type[BaseModel], path: KeyPath, key: str) -> tuple[str, ...]:
    """The `kind`s with which the table at ``path`` would know ``key``; none where its kinds are not told apart so."""
    return tuple(
        kind
        for table in _tables(model, path)
        if key in {field.alias or name for name, field in table.model_fields.items()} and "kind" in table.model_fields
        for kind in get_args(table.model_fields["kind"].annotation)
        if isinstance(kind, str)
    )


def header(model: type[BaseModel], path: KeyPath) -> str:
    """How the table at ``path`` begins: `[agent]`, `[[source]]`; an empty text where no table stands there."""
    name = ".".join(step for step in path if isinstance(step, str))
    if any(True for _ in _tables(model, path)):
        return f"[{name}]"
    return f"[[{name}]]" if any(True for _ in _tables(model, (*path, 0))) else ""


def nearest(word: str, known: tuple[str, ...]) -> str:
    """The known word that ``word`` was most likely meant to be, or an empty text."""
    found = get_close_matches(word, known, n=1, cutoff=0.6)
    return found[0] if found else ""


def _tables(model: type[BaseModel], path: KeyPath) -> tuple[type[BaseModel], ...]:
    """Every model that the table at ``path`` may be read as."""
    shapes: tuple[Any, ...] = (model,)
    for step in path:
        shapes = tuple(inner for shape in shapes for inner in _step(shape, step))
    return tuple(one for shape in shapes for one in _plain(shape) if _is_model(one))


def _fits(model: type[BaseModel], value: Any) -> bool:
    """Whether no literal of ``model`` contradicts what ``value`` says under the same key."""
    if not isinstance(value, Mapping):
        return True
    return all(
        value.get(field.alias or name, get_args(field.annotation)[0]) in get_args(field.annotation)
        for name, field in model.model_fields.items()
        if get_origin(field.annotation) is Literal
    )


def _step(shape: Any, step: str | int) -> Iterator[Any]:
    """What stands under one key, or at one number, of a shape."""
    for one in _plain(shape):
        if isinstance(step, int):
            yield from _elements(one)
        elif _is_model(one):
            for name, field in one.model_fields.items():
                if step == (field.alias or name):
                    yield field.annotation
        elif _origin_is(one, Mapping):
            yield get_args(one)[1]


def _elements(shape: Any) -> Iterator[Any]:
    if _origin_is(shape, tuple | list | frozenset | set):
        yield from (one for one in get_args(shape) if one is not Ellipsis)


def _plain(shape: Any) -> Iterator[Any]:
    """The alternatives of a shape, without Annotated, Optional and unions around them."""
    origin = get_origin(shape)
    if origin is Annotated:
        yield from _plain(get_args(shape)[0])
    elif origin in (Union, types.UnionType):
        for one in get_args(shape):
            yield from _plain(one)
    else:
        yield shape


def _origin_is(shape: Any, kind: Any) -> bool:
    origin = get_origin(shape)
    return isinstance(origin, type) and issubclass(origin, kind)


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)
