"""`[source.pull]` of config.toml: a source whose system is asked for what it did not post."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from agent.config.document import MisfitError, Table
from agent.config.tables.callback import is_local
from agent.config.values import FilePath, Seconds, StartAt, WebUrl

_Text = Annotated[str, Field(min_length=1)]

ASKED = frozenset({"canvas", "learnworlds", "xapi"})
"""The kinds of systems that can be asked."""


COURSES_MAX = 1_000


class PullSettings(Table):
    """Where a system is asked, how often, and with what: ``token_file`` (bearer), or ``user`` and ``password_file``.

    The files are names for `agent.config.secrets`. ``client`` is LearnWorlds' school id, ``account`` Canvas' account,
    ``courses`` those of its courses alone (ids, or `sis_course_id:BIO101`; empty: all).
    """

    url: WebUrl
    every_s: Seconds = Field(900, alias="every")
    start_at: StartAt = "now"
    token_file: _Text | None = None
    user: _Text | None = None
    password_file: _Text | None = None
    client: _Text | None = None
    account: _Text = "self"
    courses: Annotated[tuple[_Text, ...], Field(max_length=COURSES_MAX)] = ()
    requests_per_s: Annotated[float, Field(gt=0, le=100)] = 2.5
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    answer_bytes_max: Annotated[int, Field(ge=65_536, le=268_435_456)] = 16_777_216
    allow_http: bool = False
    proxy: WebUrl | None = None
    ca_file: FilePath | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> PullSettings:
        if (self.token_file is None) == (self.password_file is None):
            raise MisfitError("what is asked needs one credential", "`token_file`, or `user` and `password_file`")
        if (self.user is None) != (self.password_file is None):
            raise MisfitError("`user` and `password_file` belong together", "write both, or `token_file` alone")
        if not (self.url.startswith("https://") or is_local(self.url) or self.allow_http):
            hint = "write https://, or allow_http = true where the network is your own"
            raise MisfitError("the credential would go in clear", hint)
        return self
