"""`[privacy]`: what leaves the campus of learners, who takes part, and how long what is known of them is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent.config.document import Table
from agent.config.values import Seconds, SecondsOfAWeek

_Text = Annotated[str, Field(min_length=1)]


class AgreedSettings(Table):
    """`[privacy] agreed`: what says in the LMS that somebody agreed: a cohort they are in, a custom profile field."""

    cohorts: tuple[_Text, ...] = ()
    profile_field: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,255}$")] | None = None


class PrivacySettings(Table):
    """`[privacy]`: what leaves the campus, who takes part, and how long what a source sent is kept (seconds)."""

    identity: Literal["pseudonym", "username", "email"] = "pseudonym"
    participation: Literal["opt-out", "opt-in"] = "opt-out"
    agreed: AgreedSettings = AgreedSettings()
    payloads_keep_s: Seconds = Field(30 * 86_400, alias="payloads_keep")
    decisions_keep_s: SecondsOfAWeek = Field(400 * 86_400, alias="decisions_keep")
