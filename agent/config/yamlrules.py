r"""Rules in the YAML form of older guides (`id, event, conditions, points, frequency, cooldown`) as rules.toml.

    - id: quiz_master
      event: core\event\quiz_attempt_submitted
      conditions:
        score: ">=80"
      points: 10
      frequency: 1
      cooldown: 7d

A list of rules, a single one, or either of them under `rules:`. Anything else in the file is a fault with its place:
nothing is left out in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import yaml

from agent.config.document import Fault, FaultsError, nearest
from agent.config.rulefile.inline import inline, key_of

KEYS = ("id", "event", "conditions", "points", "frequency", "cooldown", "title", "description")
REQUIRED = ("id", "event", "points")

FACTS: Mapping[str, str] = {
    "score": "score_pct",
    "percentage": "score_pct",
    "grade_pct": "score_pct",
    "words": "word_count",
    "attempt_number": "attempt",
}
"""Names of facts that those guides use for ours."""

_HEAD = 'schema   = 1\ntimezone = "{zone}"\n'
_NOT_IN_AN_ID = re.compile(r"[^a-z0-9._-]+")
_INT, _FLOAT, _BOOL, _NULL = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))


def converted(text: str, name: str, zone: str) -> str:
    """The same rules as TOML, with ``zone`` for their days. `frequency` is how often a rule pays each learner in all.

    Raises:
        FaultsError: everything that is not of this form, each with line and column; ``name`` is how the file is told.
    """
    return _Reader(name).read(text, zone)


class _Reader:
    """Reads one file and gathers its faults."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._faults: list[Fault] = []

    def read(self, text: str, zone: str) -> str:
        try:
            root = yaml.compose(text, Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self._fault(mark, f"this is not YAML: {error.problem or error.context}")
            raise FaultsError(self._faults) from None
        except yaml.YAMLError as error:
            self._fault(None, f"this is not YAML: {error}")
            raise FaultsError(self._faults) from None
        rules = [self._rule(node) for node in self._listed(root)]
        self._twice(rules)
        if self._faults:
            raise FaultsError(self._faults)
        return "\n".join([_HEAD.format(zone=zone), *(_toml(rule) for rule in rules if rule)])

    def _listed(self, root: yaml.Node | None) -> Sequence[yaml.Node]:
        if isinstance(root, yaml.MappingNode) and [key.value for key, _ in root.value] == ["rules"]:
            root = root.value[0][1]
        if isinstance(root, yaml.MappingNode):
            return [root]
        if isinstance(root, yaml.SequenceNode) and root.value:
            found: list[yaml.Node] = root.value
            return found
        self._fault(root and root.start_mark, "there is no rule in it", "a list of rules, or `rules:` with one")
        return ()

    def _rule(self, node: yaml.Node) -> dict[str, Any]:
        """The keys of one rule with their values."""
        found: dict[str, Any] = {}
        for key, value in self._pairs(node, "a rule"):
            word = str(key.value)
            if word not in KEYS:
                likely = nearest(word, KEYS)
                known = f"did you mean {likely}?" if likely else f"this form has {', '.join(KEYS)}"
                self._fault(key.start_mark, f"unknown key {word!r}", known)
            elif word in found:
                self._fault(key.start_mark, f"{word!r} stands twice in this rule", "keep one of the two")
            else:
                found[word] = self._conditions(value) if word == "conditions" else self._scalar(value)
                self._check(word, found[word], value)
        for word in REQUIRED:
            if isinstance(node, yaml.MappingNode) and word not in found:
                self._fault(node.start_mark, f"a rule needs `{word}`", f"needed: {', '.join(REQUIRED)}")
        return found

    def _pairs(self, node: yaml.Node, what: str) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        if not isinstance(node, yaml.MappingNode):
            self._fault(node.start_mark, f"{what} is a table of `key: value`")
            return
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                yield key, value
            else:
                self._fault(key.start_mark, "merged and composite keys are not part of this form")

    def _conditions(self, node: yaml.Node) -> dict[str, Any]:
        """Fact → comparison, from a table or from a list of such tables."""
        if isinstance(node, yaml.SequenceNode):
            tables = [self._conditions(one) for one in node.value]
            merged = {fact: value for table in tables for fact, value in table.items()}
            if len(merged) < sum(map(len, tables)):
                self._fault(node.start_mark, "two conditions are about one fact", 'join them: "60..79"')
            return merged
        found: dict[str, Any] = {}
        for key, value in self._pairs(node, "a condition"):
            if isinstance(value, yaml.SequenceNode):
                found[FACTS.get(key.value, key.value)] = [self._scalar(one) for one in value.value]
            else:
                found[FACTS.get(key.value, key.value)] = self._scalar(value)
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            self._fault(node.start_mark, "a plain value was expected here")
            return ""
        text = str(node.value)
        if node.tag == _BOOL:
            return text.lower() in {"true", "yes", "on"}
        if node.tag in {_INT, _FLOAT} and re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", text):
            return Decimal(text) if "." in text else int(text)
        if node.tag in {_INT, _FLOAT, _NULL}:
            self._fault(node.start_mark, f"{text!r} is no value for this", "write it as a plain number or in quotes")
        return text

    def _check(self, word: str, value: Any, node: yaml.Node) -> None:
        number = isinstance(value, int | Decimal) and not isinstance(value, bool)
        if word == "points" and not (number and value > 0):
            self._fault(node.start_mark, "points is a number above 0")
        elif word == "frequency" and not (isinstance(value, int) and number and value >= 1):
            self._fault(node.start_mark, "frequency is how many awards are allowed: a whole number from 1")
        elif word == "cooldown" and not (isinstance(value, str) and re.fullmatch(r"[1-9]\d{0,7}[smhdw]", value)):
            self._fault(node.start_mark, "cooldown is a time such as 7d", "a whole number and s, m, h, d or w")
        elif word in {"id", "event", "title", "description"} and not isinstance(value, str):
            self._fault(node.start_mark, f"{word} is a text", "put it into quotes")

    def _twice(self, rules: Sequence[Mapping[str, Any]]) -> None:
        ids = [_identifier(str(rule["id"])) for rule in rules if "id" in rule]
        for one in sorted({one for one in ids if ids.count(one) > 1}):
            self._fault(None, f"two rules would be called {one!r}", "give one of them another id")

    def _fault(self, mark: Any, message: str, hint: str = "") -> None:
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        self._faults.append(Fault(file=self._name, line=line, column=column, message=message, hint=hint))


def _identifier(text: str) -> str:
    """An id of ours: `Quiz Master` becomes `quiz-master`."""
    return _NOT_IN_AN_ID.sub("-", text.lower()).strip("-._")[:64] or "rule"


def _toml(rule: Mapping[str, Any]) -> str:
    """One `[[rule]]`."""
    event = str(rule["event"])
    written: dict[str, Any] = {"id": _identifier(str(rule["id"]))}
    written |= {key: rule[key] for key in ("title", "description") if key in rule}
    if "title" not in rule and written["id"] != rule["id"]:
        written["title"] = rule["id"]
    written["on"] = f"\\{event}" if "\\" in event and not event.startswith("\\") else event
    if rule.get("conditions"):
        written["conditions"] = rule["conditions"]
    written["award"] = rule["points"]
    if "frequency" in rule:
        # "Number of awards allowed": in all, not in each activity.
        written |= {"once_per": "ever", "frequency": rule["frequency"]}
    if "cooldown" in rule:
        written["cooldown"] = rule["cooldown"]
    width = max(map(len, written))
    return "\n".join(["[[rule]]", *(f"{key_of(key):<{width}} = {inline(value)}" for key, value in written.items()), ""])
