"""`[credentials]`: who vouches, outside of this campus, for badges that learners take with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from agent.config.document import Table
from agent.config.values import HttpsUrl

_Text = Annotated[str, Field(min_length=1)]
KEY_FILE = "badges.key"
"""What the key's file is called where nothing else is said."""


class CredentialSettings(Table):
    """`[credentials]`: the address below which `badge publish` has its files served, and the name that verifiers show.

    ``key_files`` are names for `agent.config.secrets`: the first signs, the others vouch for what they signed before.
    """

    issuer_url: HttpsUrl
    issuer_name: _Text
    key_files: Annotated[tuple[_Text, ...], Field(min_length=1)] = (KEY_FILE,)
