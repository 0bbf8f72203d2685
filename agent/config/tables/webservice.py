"""A `[[source]]` of kind moodle-ws: Moodle's web services, where nobody lets us read the database."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agent.config.document import Table
from agent.config.values import FilePath, Name, Seconds, SecondsOrOff, StartAt, TrustCeiling, WebUrl
from agent.model import Trust

_Text = Annotated[str, Field(min_length=1)]


class WebServiceSource(Table):
    """Where the site is, whose posts its answers complete, and how gently it is asked.

    Durations are seconds; ``start_at`` is `now`, `beginning` or seconds since 1970; ``reconcile_s`` None is off.
    ``token_file`` is a name for `agent.config.secrets`. ``same_site_as`` names the tool_trigger source of the same
    site. ``staff_roles`` are short names of roles whose holders never earn in their courses: web services tell no
    archetypes.
    """

    name: Name
    kind: Literal["moodle-ws"]
    url: WebUrl
    token_file: _Text
    same_site_as: Name | None = None
    requests_per_s: Annotated[float, Field(gt=0, le=100)] = 5.0
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 30.0
    cache_s: Seconds = Field(300, alias="cache")
    start_at: StartAt = "now"
    gap_patience_s: Seconds = Field(1_800, alias="gap_patience")
    reconcile_s: SecondsOrOff = Field(6 * 3_600, alias="reconcile")
    site_admins: tuple[int, ...] = (2,)
    staff_roles: tuple[_Text, ...] = ("manager", "coursecreator", "editingteacher", "teacher")
    ca_file: FilePath | None = None
    trust: TrustCeiling = Trust.trusted_source
    site: Name | None = None
