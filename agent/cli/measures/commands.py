"""`rewards-agent measures …`: what an analyst asks of the recorded acts."""

from __future__ import annotations

from agent.cli.measures.cohorts import cohorts
from agent.cli.measures.effect import effect
from agent.cli.measures.engagement import engagement
from agent.cli.measures.tables import courses, learners
from machine.commands import Application

app = Application(no_args_is_help=True, help="Engagement, cohorts, effect: what recorded acts come to.")

for command in (engagement, cohorts, effect, learners, courses):
    app.command(command.__name__)(command)
