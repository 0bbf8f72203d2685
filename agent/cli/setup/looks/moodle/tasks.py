"""What of Moodle is switched off or fails, where something that rules pay comes from it: its tasks, its workflows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from agent.cli.setup.looks.finding import Finding, duration, named

if TYPE_CHECKING:
    from agent.collectors.logstore.symptoms import Symptoms
    from agent.engine.rulebook import Needs

FAILS_S = 300
"""Moodle lets a task that failed rest for a minute, and twice as long each time that it fails again."""
_WHERE = "Site administration → Server → Tasks → Scheduled tasks"


def task_findings(about: str, told: Symptoms, needs: Mapping[str, Needs], *, posts: bool) -> Iterator[Finding]:
    """What is off or fails; ``posts`` is whether tool_trigger posts to us."""
    from agent.collectors.logstore.symptoms import TASKS

    for task, (off, rests) in sorted(told.tasks.items()):
        kinds = TASKS.get(task, ())
        rules = [rule for rule, one in needs.items() if any(fnmatchcase(kind, x) for kind in kinds for x in one.kinds)]
        if rules:
            lost = f"{named(kinds)} comes from it; the rules that wait for this: {named(rules)}"
        elif posts and not kinds:
            lost = "it sends the posts of tool_trigger"
        else:
            continue
        if off:
            found = f"the scheduled task {task} is switched off: {lost}"
            do = f"switch it on again: {_WHERE}"
            yield Finding(about=about, level="warn", code="task-off", found=found, do=do)
        elif rests > FAILS_S:
            found = (
                f"the scheduled task {task} fails again and again (Moodle lets it rest for {duration(rests)}): {lost}"
            )
            do = f"its log says why: {_WHERE} → Task logs; when it is cured, Run now ends the rest"
            yield Finding(about=about, level="warn", code="task-failing", found=found, do=do)


def workflow_findings(about: str, told: Symptoms, needs: Mapping[str, Needs]) -> Iterator[Finding]:
    """Workflows of tool_trigger that are switched off, of events that rules wait for; on a site that posts to us."""
    off = [event for event, is_on in told.workflows.items() if not is_on]
    waiting = {
        event: rules
        for event in off
        if (rules := [rule for rule, one in needs.items() if event in one.names or event.endswith(tuple(one.suffixes))])
    }
    if waiting:
        lost = named(sorted({rule for rules in waiting.values() for rule in rules}))
        yield Finding(
            about=about,
            level="warn",
            code="workflow-off",
            found=f"tool_trigger has workflows for {named(sorted(waiting))}, and all are switched off: nothing"
            f" is posted of it, and the log alone tells it; the rules that wait for this: {lost}",
            do="switch them on: Site administration → Plugins → Admin tools → Event Trigger → Manage; or delete them,"
            " where the log is to tell it alone",
        )
