"""`rewards-agent rules schema`: what editors check and complete a file of rules with."""

from __future__ import annotations

from agent.cli.frame import ConfigOption, JsonOption, emit_json


def schema(_config: ConfigOption = None, _json: JsonOption = False) -> None:  # it is JSON either way
    """Print the JSON Schema of a file of rules, for editors that check and complete TOML: the same for every campus.

    Name the file in the first line of rules.toml: `#:schema ./rules.schema.json`.

    Example: rewards-agent rules schema > rules.schema.json
    """
    from agent.config.rulefile.schema import rules_schema

    emit_json(rules_schema())
