"""What is in order of a file that is not, so that the faults behind its first ones are told in the same breath."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel

from agent.config.document.faults import Fault
from agent.config.document.file import Document
from agent.config.document.positions import KeyPath, Place
from agent.config.document.validation import located

Model = TypeVar("Model", bound=BaseModel)
Instead = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""List of tables → key → what a table gets that lacks this key, or from which it was taken for its faults: so that the
rest of the table is read."""
_ELEMENT = 2
"""Steps to an element of a list of tables: the list's key, the element's number."""


def salvage(document: Document, model: type[Model], instead: Instead) -> tuple[Document, Model, tuple[Fault, ...]]:
    """The document without what does not fit ``model``, what it is then, and every fault met on the way.

    Each fault is taken out where it lies, an element or a key alone, and what is left is read again: it may have faults
    that the first ones hid. What is found only because something was taken out is not told. Places stay those of the
    file as it was read.
    """
    value, faults = located(document, model)
    if value is not None:
        return document, value, ()
    told = {fault for _, fault in faults}
    work = _Work(document, instead)
    while True:
        work.take_out(path for path, _ in faults)
        left = work.document()
        value, faults = located(left, model)
        if value is not None:
            return left, value, tuple(sorted(told))
        told.update(fault for path, fault in faults if not work.follows(path))


class _Work:
    """The data that is left, which of it lost something, and where its elements stood in their lists."""

    def __init__(self, document: Document, instead: Instead) -> None:
        self._read = document
        self._instead = instead
        self._keys = {(name, key) for name, keys in instead.items() for key in keys}
        self._data: dict[str, Any] = copy.deepcopy(dict(document.data))
        self._numbers: dict[int, list[int]] = {}
        self._stood_in: set[tuple[int, str]] = set()
        self._poorer: set[int] = set()
        self._gone: set[tuple[int, str | int]] = set()
        self._removed: list[Any] = []  # kept, so that no other table gets the id of one that is gone

    def document(self) -> Document:
        """What is left, each piece with the place that it had."""
        places: dict[KeyPath, Place] = {}
        self._place(self._data, (), (), places)
        return replace(self._read, data=self._data, places=places)

    def _place(self, value: Any, now: KeyPath, before: KeyPath, into: dict[KeyPath, Place]) -> None:
        found = self._read.places.get(before)
        if found is not None:
            into[now] = found
        if isinstance(value, dict):
            for key, each in value.items():
                self._place(each, (*now, key), (*before, key), into)
        elif isinstance(value, list):
            numbers = self._numbers.get(id(value), range(len(value)))
            for number, each in enumerate(value):
                self._place(each, (*now, number), (*before, numbers[number]), into)

    def follows(self, path: KeyPath) -> bool:
        """Whether what does not fit here lost something, or is what was lost."""
        value: Any = self._data
        for step in path:
            if not _has(value, step):
                return (id(value), step) in self._gone
            value = value[step]
        return id(value) in self._poorer

    def take_out(self, paths: Iterable[KeyPath]) -> None:
        """Remove what stands at each of these, or put something else in its place."""
        elements: defaultdict[int, set[int]] = defaultdict(set)
        lists: dict[int, list[Any]] = {}
        # All of them are looked up before anything moves.
        for path, around in [(path, self._around(path)) for path in paths]:
            if not around:
                self._removed.append(dict(self._data))
                self._data.clear()
            elif not self._replaced(path):
                container, step = around[-1]
                self._poorer.update(id(one) for one, _ in around)
                self._gone.add((id(container), step))
                if isinstance(container, list):
                    lists[id(container)] = container
                    elements[id(container)].add(step)
                elif step in container:
                    self._removed.append(container.pop(step))
        for name, container in lists.items():
            self._without(container, elements[name])

    def _around(self, path: KeyPath) -> list[tuple[Any, Any]]:
        """The tables and lists that lead to ``path``, each with the step from it, as far as there is something."""
        found: list[tuple[Any, Any]] = []
        value: Any = self._data
        for step in path:
            if not _has(value, step):
                break
            found.append((value, step))
            value = value[step]
        return found

    def _replaced(self, path: KeyPath) -> bool:
        """Whether something was put in for a key of a table; only once."""
        if len(path) != _ELEMENT + 1 or (path[0], path[-1]) not in self._keys:
            return False
        key = str(path[-1])
        table, stand_in = self._data[str(path[0])][path[1]], self._instead[str(path[0])][key]
        if (id(table), key) in self._stood_in:
            return False
        self._stood_in.add((id(table), key))
        self._removed.append(table.pop(key, None))
        for name, value in stand_in.items():
            table.setdefault(name, copy.copy(value))
        return True

    def _without(self, container: list[Any], gone: set[int]) -> None:
        numbers = self._numbers.get(id(container), range(len(container)))
        self._numbers[id(container)] = [number for at, number in enumerate(numbers) if at not in gone]
        self._removed.extend(container[at] for at in gone)
        container[:] = [each for at, each in enumerate(container) if at not in gone]


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, dict):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)
