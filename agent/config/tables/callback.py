"""`[[callback]]` of config.toml: who is told what of the ledger, signed, as it happens."""

from __future__ import annotations

from string import Formatter
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, model_validator

from agent.config.document import MisfitError, Table
from agent.config.values import FilePath, Name, WebUrl

CallbackEvent = Literal[
    "award",
    "reversal",
    "adjustment",
    "badge",
    "badge.revoked",
    "level",
    "challenge.step",
    "challenge.completed",
    "hold",
    "brake",
    "expiry",
]
EVENTS: tuple[str, ...] = get_args(CallbackEvent)

WORDS = frozenset(
    [
        "learner",
        "rule",
        "title",
        "group",
        "currency",
        "amount",
        "expires_at",
        "badge",
        "level",
        "challenge",
        "step",
        "steps",
        "reason",
        "message",
        "campus",
        "event",
    ]
)
"""What a template can name in braces."""

TEMPLATE_LENGTH_MAX = 1_000
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_Text = Annotated[str, Field(min_length=1)]


def _url(value: Any) -> Any:
    """An address of a receiver. What it says is never repeated: for chat systems it is a secret itself."""
    wanted = "write https:// and the address that the receiver gave you"
    if not isinstance(value, str):
        raise MisfitError("this is not the address of a receiver", wanted)
    try:
        url = urlsplit(value)
        url.port  # noqa: B018 - only reading it checks it
    except ValueError:
        raise MisfitError("this is not a URL", wanted) from None
    if url.username is not None or url.password is not None:
        raise MisfitError("a user or password stands in the URL", "leave it out: messages are signed")
    if url.scheme not in {"http", "https"} or not url.hostname or url.fragment:
        raise MisfitError("this is not the address of a receiver", wanted)
    return value


def _template(value: Any) -> Any:
    if not isinstance(value, str) or len(value) > TEMPLATE_LENGTH_MAX:
        raise MisfitError("a template is a text", f"of {TEMPLATE_LENGTH_MAX} signs at most")
    try:
        named = [
            (field, form, conversion) for _, field, form, conversion in Formatter().parse(value) if field is not None
        ]
    except ValueError:
        raise MisfitError("the braces do not match", 'such as "{learner} earned {amount} {currency}"') from None
    for field, form, conversion in named:
        if field not in WORDS or form or conversion:
            raise MisfitError(f"a template cannot name {{{field}}}", f"it can name {', '.join(sorted(WORDS))}")
    return value


Template = Annotated[str, BeforeValidator(_template)]


def is_local(url: str) -> bool:
    """Whether an address leads to this machine."""
    return urlsplit(url).hostname in _LOOPBACK


class CallbackSettings(Table):
    """A `[[callback]]`: ``url`` (or a file that holds it), what it is told, and how.

    ``secret_files`` are names for `agent.config.secrets`; with several each signs, so that they can be changed.
    ``rules`` and ``groups`` leave the rest out; ``learner`` is what it is told of the person.
    """

    name: Name
    on: Annotated[tuple[CallbackEvent, ...], Field(min_length=1)]
    url: Annotated[str, BeforeValidator(_url)] | None = None
    url_file: _Text | None = None
    secret_file: _Text | Annotated[tuple[_Text, ...], Field(min_length=1)] | None = None
    rules: tuple[_Text, ...] = ()
    groups: tuple[_Text, ...] = ()
    format: Literal["json", "slack", "teams"] = "json"
    learner: Literal["pseudonym", "lms-id", "none"] = "pseudonym"
    template: dict[CallbackEvent, Template] = Field(default_factory=dict)
    start_at: Literal["now", "beginning"] = "now"
    allow_http: bool = False
    proxy: WebUrl | None = None
    ca_file: FilePath | None = None

    @property
    def secret_files(self) -> tuple[str, ...]:
        """The names of the secrets."""
        if self.secret_file is None:
            return ()
        return (self.secret_file,) if isinstance(self.secret_file, str) else self.secret_file

    @model_validator(mode="after")
    def _goes_together(self) -> CallbackSettings:
        if (self.url is None) == (self.url_file is None):
            raise MisfitError(f"callback {self.name!r} needs an address", "`url`, or `url_file` where it is a secret")
        if self.format == "json" and self.secret_file is None:
            hint = 'secret_file = "callback.secret"; make one: openssl rand -base64 32'
            raise MisfitError(f"callback {self.name!r} is not signed", hint)
        if self.url is not None:
            refuse_clear_text(self.url, self)
        return self


def refuse_clear_text(url: str, callback: CallbackSettings) -> None:
    """Only https leaves the machine, unless it is allowed.

    Raises:
        MisfitError: it would go in clear.
    """
    if not (url.startswith("https://") or is_local(url) or callback.allow_http):
        hint = "write https://, or allow_http = true where the network is your own"
        raise MisfitError(f"callback {callback.name!r} would go in clear", hint)


def address(text: str, callback: CallbackSettings) -> str:
    """The address that a `url_file` holds.

    Raises:
        MisfitError: it is none, or would go in clear; what it says is not repeated.
    """
    url = str(_url(text.strip()))
    refuse_clear_text(url, callback)
    return url
