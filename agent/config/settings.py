"""config.toml as frozen models: every key, every default and every check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr

from agent.config import ways_in
from agent.config.document import Document, Fault, FaultsError, Table, examine, load, nearest, places
from agent.config.secrets import secret_file
from agent.config.tables.callback import CallbackSettings
from agent.config.tables.credentials import CredentialSettings
from agent.config.tables.privacy import PrivacySettings
from agent.config.tables.pull import PullSettings
from agent.config.tables.webservice import WebServiceSource
from agent.config.values import (
    DatabaseUrl,
    DoorPath,
    FilePath,
    Listen,
    Name,
    Network,
    Seconds,
    SecondsOrOff,
    StartAt,
    TablePrefix,
    TrustCeiling,
    WebUrl,
)
from agent.model import Trust

KEY_FILE = "agent.ed25519"
"""What the signing key's file is called where `[catalogue]` does not say."""

_Text = Annotated[str, Field(min_length=1)]
_Poll = Annotated[float, Field(gt=0, le=3600)]


class AgentSettings(Table):
    """`[agent]`: who this agent is, where it keeps its ledger, and whether it pays.

    ``rules`` are paths and globs as written; `Settings.rule_files` resolves them. ``backup_within_s`` None is off: the
    ledger is copied by something else than `rewards-agent backup`.
    """

    campus: Name
    data_dir: FilePath = Path("/var/lib/rewards-agent")
    rules: _Text | Annotated[tuple[_Text, ...], Field(min_length=1)] = "rules.toml"
    mode: Literal["live", "shadow"] = "live"
    environment: Literal["production", "staging"] = "production"
    backup_within_s: SecondsOrOff = Field(172_800, alias="backup_within")


class HttpSettings(Table):
    """`[http]`: where the agent listens; without this table nothing listens.

    ``trusted_proxies`` are believed about who their client is (X-Forwarded-For). ``certificate_file`` and
    ``private_key_file`` (a name for `agent.config.secrets`) make it speak TLS itself. At ``status_listen`` it tells how
    it is: /livez, /readyz, /metrics.
    """

    listen: Listen = "127.0.0.1:8733"
    trusted_proxies: tuple[Network, ...] = ()
    certificate_file: FilePath | None = None
    private_key_file: _Text | None = None
    status_listen: Listen | None = None


class LogSource(Table):
    """A `[[source]]` of kind moodle-logstore: Moodle's log table, read in the database.

    Durations are seconds; ``start_at`` is `now`, `beginning` or seconds since 1970; ``reconcile_s`` None is off.
    ``password_file`` and ``log_password_file`` are names for `agent.config.secrets`.
    """

    name: Name
    kind: Literal["moodle-logstore"]
    url: DatabaseUrl
    password_file: _Text | None = None
    table_prefix: TablePrefix = "mdl_"
    log_url: DatabaseUrl | None = None
    log_password_file: _Text | None = None
    log_table: TablePrefix | None = None
    start_at: StartAt = "now"
    poll_interval_s: _Poll = 1.0
    gap_patience_s: Seconds = Field(1_800, alias="gap_patience")
    backdated_after_s: Seconds = Field(86_400, alias="backdated_after")
    site_admins: tuple[int, ...] = (2,)
    reconcile_s: SecondsOrOff = Field(900, alias="reconcile")
    trust: TrustCeiling = Trust.server_verified
    site: Name | None = None

    @property
    def site_name(self) -> str:
        """The name that this source's ids belong to; `site` keeps an old one when the source is renamed."""
        return self.site or self.name


PostKind = Literal["tool-trigger", "learnworlds", "thinkific", "xapi", "canvas", "kajabi", "generic"]


class PostSource(Table):
    """A `[[source]]` that posts to the agent: Moodle's tool_trigger, another LMS, xAPI, or a generic sender.

    ``bearer_token_files`` and ``secret_files`` (of systems that sign) are names for `agent.config.secrets`, each one
    valid, so that they can be changed without a gap; ``allow_ips`` empty lets every address in. With ``pull`` its
    system is asked too, or alone where there is no ``path`` to post to.
    """

    name: Name
    kind: PostKind
    path: DoorPath | None = None
    pull: PullSettings | None = None
    same_site_as: Name | None = None
    pay_before_log: bool = False
    bearer_token_files: tuple[_Text, ...] = ()
    secret_files: tuple[_Text, ...] = ()
    allow_ips: tuple[Network, ...] = ()
    rate_limit_per_s: Annotated[float, Field(gt=0, le=100_000)] = 500.0
    body_bytes_max: Annotated[int, Field(ge=1_024, le=1_048_576)] = 262_144
    backdated_after_s: Seconds = Field(7 * 86_400, alias="backdated_after")
    site_admins: tuple[int, ...] = (2,)
    trust: TrustCeiling = Trust.trusted_source
    site: Name | None = None

    @property
    def site_name(self) -> str:
        """The name that this source's ids belong to: a log source's where one act is seen on both ways."""
        return self.same_site_as or self.site or self.name


Source = Annotated[LogSource | PostSource | WebServiceSource, Field(discriminator="kind")]


class IdentitySettings(Table):
    """`[identity]`: by what one person in several sources is known to be one.

    ``sources_trusted_to_link`` None is every log source; `Settings.linking_sources` resolves it. ``link_agents``: the
    campus's other agents too, by digests under the link key that they share.
    """

    link_by: tuple[Literal["idnumber", "email", "username", "external_ids"], ...] = ("idnumber", "email")
    sources_trusted_to_link: tuple[Name, ...] | None = None
    link_agents: bool = False


class CatalogueSettings(Table):
    """`[catalogue]`: where wallets are kept. Without this table the agent records and delivers nothing.

    ``kudos`` names the source of kind generic through which kudos come as events.
    """

    url: WebUrl
    signing_key_file: _Text = KEY_FILE
    proxy: WebUrl | None = None
    ca_file: FilePath | None = None
    kudos: Name | None = None


class Settings(Table):
    """The whole of config.toml."""

    agent: AgentSettings
    http: HttpSettings | None = None
    sources: Annotated[tuple[Source, ...], Field(min_length=1, alias="source")]
    identity: IdentitySettings = IdentitySettings()
    catalogue: CatalogueSettings | None = None
    privacy: PrivacySettings = PrivacySettings()
    callbacks: Annotated[tuple[CallbackSettings, ...], Field(alias="callback")] = ()
    credentials: CredentialSettings | None = None
    _path: Path = PrivateAttr(default=Path("config.toml"))

    @property
    def names_told(self) -> str:
        """What the catalogue is told that learners are called: `username`, `email`, or nothing."""
        told = self.privacy.identity if self.catalogue is not None else "pseudonym"
        return "" if told == "pseudonym" else told

    @property
    def naming_sources(self) -> tuple[str, ...]:
        """Names of the sources whose posts say what learners are called: trusted, of sites that cannot be asked."""
        asked = {*(one.site_name for one in self.log_sources), *(self.web_site(one) for one in self.web_sources)}
        posting = (one for one in self.post_sources if one.name in self.linking_sources)
        return tuple(one.name for one in posting if one.site_name not in asked) if self.names_told else ()

    @property
    def path(self) -> Path:
        """The file these were read from."""
        return self._path

    @property
    def home(self) -> Path:
        """The directory that paths in the file are relative to."""
        return self._path.absolute().parent

    @property
    def log_sources(self) -> tuple[LogSource, ...]:
        """The sources that are log tables."""
        return tuple(source for source in self.sources if isinstance(source, LogSource))

    @property
    def post_sources(self) -> tuple[PostSource, ...]:
        """The sources that post to the door."""
        return tuple(source for source in self.sources if isinstance(source, PostSource))

    @property
    def told_by(self) -> tuple[str, ...]:
        """Names of the sources that tell what happens as it happens: web services are only asked."""
        return tuple(source.name for source in self.sources if not isinstance(source, WebServiceSource))

    @property
    def web_sources(self) -> tuple[WebServiceSource, ...]:
        """The sources that are asked by web services."""
        return tuple(source for source in self.sources if isinstance(source, WebServiceSource))

    def web_site(self, source: WebServiceSource) -> str:
        """The name that the ids of a web service belong to: that of the posts it completes."""
        posts = {one.name: one.site_name for one in self.post_sources}
        return posts.get(source.same_site_as or "", source.site or source.name)

    @property
    def linking_sources(self) -> tuple[str, ...]:
        """Names of the sources whose word is taken for who is who."""
        named = self.identity.sources_trusted_to_link
        return named if named is not None else tuple(source.name for source in self.log_sources)

    @property
    def links(self) -> bool:
        """Whether accounts are looked at: trusted sources of two sites at least, or of one beside other agents."""
        named = set(self.linking_sources)
        known: tuple[LogSource | PostSource, ...] = (*self.log_sources, *self.post_sources)
        sites = {one.site_name for one in known if one.name in named}
        return len(sites) > (0 if self.identity.link_agents else 1) and bool(self.identity.link_by)

    @property
    def key_file(self) -> Path:
        """Where the signing key stands, or will: there may be no catalogue yet."""
        return secret_file(self.home, self.catalogue.signing_key_file if self.catalogue is not None else KEY_FILE)

    @property
    def recovery_file(self) -> Path:
        """Where the public half of the campus's recovery key stands, or will."""
        return self.home / "recovery.public"

    def rule_files(self) -> tuple[Path, ...]:
        """The files of rules as they are now: globs name what is there today, in the order of their names.

        Raises:
            ConfigError: a glob is the only word and names nothing, or a file is named that is not there.
        """
        written = (self.agent.rules,) if isinstance(self.agent.rules, str) else self.agent.rules
        return places.rule_files(self.path, self.home, written)


def load_settings(path: Path) -> Settings:
    """Read config.toml.

    Raises:
        FaultsError: every fault at once, with positions.
        ConfigError: it is not there or not readable.
    """
    return settings_in(load(path))


def settings_in(document: Document) -> Settings:
    """The settings that a document says; its path is where they are taken to stand.

    Raises:
        FaultsError: every fault at once, with positions.
    """
    settings, faults = examine(document, Settings, context={"home": document.path.absolute().parent})
    faults = (*faults, *_crosswise(document))
    if settings is None or faults:
        raise FaultsError(faults)
    settings._path = document.path  # noqa: SLF001 - the one moment at which it becomes known
    return settings


def _crosswise(document: Document) -> Iterator[Fault]:
    """What no single key shows. It looks at what was written, so that it speaks also where another key is at fault."""
    written = document.data.get("source")
    sources = [one if isinstance(one, Mapping) else {} for one in written] if isinstance(written, list) else []
    logs = tuple(str(one.get("name")) for one in sources if one.get("kind") == "moodle-logstore")
    yield from _twice(document, sources, "name", "two sources have this name")
    yield from _twice(document, sources, "path", "two sources have this path")
    yield from ways_in.logs_read_twice(document, sources)
    for number, source in enumerate(sources):
        if source.get("kind") == "moodle-ws":
            yield from _web_faults(document, ("source", number), source, sources)
        else:
            yield from _site_faults(document, ("source", number), source, logs)
        if source.get("kind") in get_args(PostKind):
            yield from ways_in.faults_of(document, ("source", number), source)
    yield from (*ways_in.kudos_faults(document, sources), *ways_in.taken_names(document, sources))
    told = document.data.get("callback")
    callbacks = [one if isinstance(one, Mapping) else {} for one in told] if isinstance(told, list) else []
    yield from _twice(document, callbacks, "name", "two callbacks have this name", table="callback")
    identity = document.data.get("identity")
    linking = identity.get("sources_trusted_to_link") if isinstance(identity, Mapping) else None
    names = tuple(str(one.get("name")) for one in sources)
    for number, name in enumerate(linking if isinstance(linking, list) else []):
        if name not in names:
            place = ("identity", "sources_trusted_to_link", number)
            yield document.fault(place, f"there is no source {name!r}", _known("source", name, names))


def _twice(
    document: Document, tables: list[Mapping[str, Any]], key: str, message: str, *, table: str = "source"
) -> Iterator[Fault]:
    first: dict[str, int] = {}
    for number, source in enumerate(tables):
        value = source.get(key)
        if isinstance(value, str) and first.setdefault(value, number) != number:
            line, _ = document.line_column(document.place((table, first[value], key)).value)
            yield document.fault((table, number, key), message, f"the other stands in line {line}")


def _site_faults(
    document: Document, path: tuple[str, int], source: Mapping[str, Any], logs: tuple[str, ...]
) -> Iterator[Fault]:
    target, site = source.get("same_site_as"), source.get("site")
    if isinstance(site, str) and site in logs and site != source.get("name"):
        message = f"the site {site!r} is that of another source"
        yield document.fault((*path, "site"), message, "`same_site_as` is for posts about what a log source sees too")
    if isinstance(target, str) and target not in logs:
        message = f"there is no source {target!r} of kind moodle-logstore"
        yield document.fault((*path, "same_site_as"), message, _known("log source", target, logs))
    if target is not None and site is not None:
        yield document.fault((*path, "site"), "`site` and `same_site_as` exclude each other", "keep one of the two")
    if target is None and source.get("pay_before_log") is True:
        message = "`pay_before_log` waits for no log row, and without `same_site_as` there is none to wait for"
        yield document.fault((*path, "pay_before_log"), message, "leave it out, or name the log source", on="key")


def _web_faults(
    document: Document, path: tuple[str, int], source: Mapping[str, Any], sources: list[Mapping[str, Any]]
) -> Iterator[Fault]:
    target = source.get("same_site_as")
    posts = {str(one.get("name")): one for one in sources if one.get("kind") == "tool-trigger"}
    if isinstance(target, str) and target not in posts:
        message = f"there is no source {target!r} of kind tool-trigger"
        yield document.fault((*path, "same_site_as"), message, _known("tool-trigger source", target, tuple(posts)))
    elif isinstance(target, str) and posts[target].get("same_site_as") is not None:
        message = f"the posts of {target!r} are completed by a log table already"
        hint = "take this [[source]] out: the log source tells all that web services tell, and more"
        yield document.fault((*path, "same_site_as"), message, hint)
    if target is not None and source.get("site") is not None:
        yield document.fault((*path, "site"), "`site` and `same_site_as` exclude each other", "keep one of the two")
    others = [str(one.get("same_site_as")) for one in sources if one.get("kind") == "moodle-ws" and one is not source]
    if isinstance(target, str) and target in others:
        message = f"another moodle-ws source completes the posts of {target!r} too"
        yield document.fault((*path, "same_site_as"), message, "keep one of the two")


def _known(what: str, word: object, names: tuple[str, ...]) -> str:
    likely = nearest(str(word), names)
    return f"did you mean {likely!r}?" if likely else f"each {what} here: {', '.join(names) or 'none'}"
