"""Workflows of Moodle's plugin tool_trigger, ready to be imported: one file for each event that the agent waits for.

The form is that of the plugin's own export: *Event Trigger → Manage → Import a workflow*. The token stands in each
file, so each is a secret.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import typer

from agent.errors import ConfigError

if TYPE_CHECKING:
    from agent.config.settings import PostSource, Settings

FOLDER = "tool-trigger"
PLUGIN_VERSION = "2018083100"
"""The oldest release whose importer takes these fields; the importer refuses files that call themselves older."""
_OF_THE_ROW = (
    "eventname", "userid", "relateduserid", "objecttable", "objectid", "courseid", "contextlevel",
    "contextinstanceid", "timecreated", "anonymous", "realuserid", "origin",
)  # fmt: skip
_STEP = r"\tool_trigger\steps\actions\http_post_action_step"


def template() -> str:
    """The body of a post: every field that any event's fact or key needs, each as the plugin fills it in.

    By their ``id`` acts of one second are told apart, which the plugin posts in no certain order.
    """
    from agent.collectors.systems.moodle import OTHER_KEYS

    told = dict.fromkeys(key for keys in OTHER_KEYS.values() for key in keys if "/" not in key)
    others = [f"other_{key}" for key in told if key not in _OF_THE_ROW]
    return json.dumps({name: f"{{{name}}}" for name in (*_OF_THE_ROW, *others, "id")})


def workflow(event: str, url: str, token: str) -> dict[str, Any]:
    """A workflow that posts ``event`` to ``url``, as the plugin exports one. It is inactive until somebody says so."""
    step = {
        "url": url,
        "httpmethod": "POST",
        "httpheaders": f"Content-Type: application/json\nAuthorization: Bearer {token}",
        "httpparams": template(),
        "jsonencode": "0",  # encoded by the plugin, a name with & in it could add fields of its own
        "expectedresponse": "200",
        "stepdesc": "HTTP request",
        "typedesc": "Action",
    }
    text = "<p>Tells the rewards agent. Written by rewards-agent init --tool-trigger.</p>"
    return {
        "name": f"Rewards: {event}",
        "description": json.dumps({"text": text, "format": "1"}),
        "event": event,
        "steps": {
            "1": {
                "id": "1",
                "name": "Post to the rewards agent",
                "description": "",
                "type": "actions",
                "stepclass": _STEP,
                "data": json.dumps(step),
                "steporder": "0",
            }
        },
        "moodleversion": PLUGIN_VERSION,
        "pluginversion": PLUGIN_VERSION,
    }


def require_address(base: str) -> None:
    """See that workflows can post to ``base``, before anything is written.

    Raises:
        ConfigError: it is no address of a server.
    """
    _address(base, "")


def require_source(settings: Settings) -> None:
    """See that something takes these posts.

    Raises:
        ConfigError: no source takes posts of tool_trigger.
    """
    _source(settings)


def written(settings: Settings, base: str) -> None:
    """Write a workflow for every event that the rules wait for and for deletions, and say what is left to do with them.

    Raises:
        ConfigError: no source takes posts of tool_trigger, or ``base`` is no address of a server.
    """
    from agent.collectors.systems.moodle import USER_DELETED
    from agent.config.secrets import read_secret
    from agent.wiring.rules import read_rules

    source = _source(settings)
    address = _address(base, source.path or "")
    token = read_secret(settings.home, source.bearer_token_files[0]).reveal()
    demand = read_rules(settings)[1].demand
    folder = settings.home / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    events = sorted(demand.names | {USER_DELETED})  # nobody earns any more whose account is deleted
    for path, event in _files(folder, events):
        _write(path, json.dumps(workflow(event, address, token), indent=1) + "\n")
    typer.echo(f"written  {folder}: {len(events)} workflows that post to {address}")
    if demand.suffixes:
        told = ", ".join(sorted(demand.suffixes))
        typer.echo(
            f"         a workflow is about one event, so none is for all that end in {told}: copy one, change event"
        )
    typer.echo("         the token stands in them: remove the folder once they are imported")


def steps(settings: Settings) -> list[str]:
    """What is left to be done in Moodle with the workflows that were written."""
    if not (settings.home / FOLDER).is_dir():
        return []
    place = "Site administration → Plugins → Admin tools → Event Trigger → Manage"
    files = f"each file of {settings.home / FOLDER} (those of mod_hsuforum on Open LMS alone)"
    return [f"in Moodle: {place} → Import a workflow, {files}; then switch each on: Edit → Workflow active"]


def _source(settings: Settings) -> PostSource:
    for source in settings.post_sources:
        if source.kind == "tool-trigger" and source.path is not None and source.bearer_token_files:
            return source
    raise ConfigError(
        f"{settings.path} has no [[source]] of kind tool-trigger with a path and a token",
        hint="add it as docs/integrations/tool-trigger.md shows, then run this again",
    )


def _address(base: str, path: str) -> str:
    parts = urlsplit(base)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query:
        raise ConfigError(
            f"--tool-trigger {base}: this is no address of a server",
            hint="where Moodle reaches the agent, such as https://rewards.example.org; the source's path is added",
        )
    return base if parts.path.rstrip("/") == path else base.rstrip("/") + path


def _files(folder: Path, events: list[str]) -> Iterator[tuple[Path, str]]:
    for event in events:
        yield folder / f"{event.strip(chr(92)).replace(chr(92), '_')}.json", event


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner may read, over an older one of ours."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
