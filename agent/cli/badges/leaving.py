"""`rewards-agent badge credential`, `publish` and `key`: badges that learners take with them, and what proves them."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.access import ledger_of
from agent.cli.frame import ConfigOption, JsonOption, emit, emit_json, note, run_async, settings_of
from agent.cli.setup.files import not_written
from agent.cli.terms.inforce import rules_in_force
from agent.cli.terms.who import aliases_in, person
from agent.errors import ConfigError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.cli.terms.who import Who
    from agent.config.settings import Settings
    from agent.config.tables.credentials import CredentialSettings
    from agent.credentials.badge import Achievement
    from agent.credentials.issuer import Issuer
    from agent.credentials.signing import Key
    from agent.engine.rulebook import Rulebook

_SALT_BYTES = 16
_WRITTEN = ("file", "served_at")


def credential(
    *,
    badge: Annotated[str, typer.Argument(metavar="BADGE", help="The id of a badge.")],
    learner: Annotated[
        str, typer.Option("--learner", metavar="STUDENT", help="Who: moodle:35, a username, idnumber, e-mail or id.")
    ],
    email: Annotated[
        str, typer.Option("--email", metavar="ADDRESS", help="For whom it is made out; else the address in Moodle.")
    ] = "",
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Write it there, where no file is yet.")
    ] = None,
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Make a badge that somebody has into a file that they can show elsewhere: an Open Badge 3.0, signed, as a JWT.

    It says which badge it is, since when, and for whom by a salted hash of the e-mail address alone. Whoever is shown
    it finds the key, and whether the badge was taken back, in what `badge publish` has written. Nothing is recorded:
    made again it is the same badge.

    Example: rewards-agent badge credential quiz-ace --learner ann@example.org --output ann-quiz-ace.jwt
    """
    from agent.credentials import badge as badges
    from agent.credentials import signing
    from agent.ledger.past import shelves

    settings = settings_of(config)
    issuer, keys = _issuer(settings), _keys(settings)
    with ledger_of(config) as connection:
        file, rulebook = rules_in_force(settings, connection)
        who = run_async(person(settings, connection, learner, file))
        had = shelves.giving(connection, aliases_in(connection).learner(who.learner), badge)
    if had is None:
        raise InvalidInputError(
            f"{who.title()} does not have the badge {badge!r}", hint=f"see who has: rewards-agent badge show {badge}"
        )
    document = badges.credential(
        _achievement(badge, rulebook),
        badges.Had(epoch=had.epoch, seq=had.seq, at=had.at),
        issuer,
        email=_address(who, email),
        salt=secrets.token_hex(_SALT_BYTES),
    )
    made = signing.signed(document, keys[0], issuer.method(keys[0]))
    if output is not None:
        _new(output, made.encode() + b"\n")
        note(f"written to {output}")
    if json:
        emit_json({"credential": document, "jwt": made})
    elif output is None:
        typer.echo(made)


def publish(
    *,
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="What the web server serves at issuer_url.")],
    config: ConfigOption = None,
    json: JsonOption = False,
) -> None:
    """Write what verifiers of badges ask for: the keys, what each badge stands for, and which were taken back.

    Files that stand there are replaced, each at once. Lists of what was taken back are believed for fourteen days: have
    this typed every day, by cron or a timer. No learner is named in any of them.

    Example: rewards-agent badge publish /var/www/badges
    """
    settings = settings_of(config)
    issuer, keys = _issuer(settings), _keys(settings)
    with ledger_of(config) as connection:
        _, rulebook = rules_in_force(settings, connection)
        found = dict(_published(connection, issuer, keys, rulebook))
    for name, content in found.items():
        _replace(directory / name, content)
    rows = [{"file": str(directory / name), "served_at": f"{issuer.url}/{name}"} for name in found]
    emit(rows, _WRITTEN, json=json)


def key(config: ConfigOption = None) -> None:
    """Make the key that signs badges, where there is none: the first of [credentials] key_files.

    Keep a copy of it where the backups are. To change it, name a new file first in key_files and keep the old one
    behind it: badges that it signed stay good.

    Example: rewards-agent badge key
    """
    from agent.config.secrets import secret_file
    from agent.credentials import signing

    settings = settings_of(config)
    path = secret_file(settings.home, _table(settings).key_files[0])
    if path.exists():
        _keys(settings)
        typer.echo(f"{path} is there: nothing changes")
        return
    _new(path, signing.new())
    typer.echo(f"{path} is made; next: rewards-agent badge publish DIRECTORY")


def _table(settings: Settings) -> CredentialSettings:
    if settings.credentials is None:
        raise ConfigError(
            f"{settings.path}: badges leave the campus only where somebody vouches for them",
            hint='write [credentials] with issuer_url = "https://…" and issuer_name = "…" (docs/admin/badges.md)',
        )
    return settings.credentials


def _issuer(settings: Settings) -> Issuer:
    from agent.credentials.issuer import Issuer

    if settings.agent.environment != "production":
        raise ConfigError(
            f"{settings.path}: this agent is for trying ([agent] environment): its badges are nobody's",
            hint="make credentials with the agent in production",
        )
    table = _table(settings)
    return Issuer(url=table.issuer_url, name=table.issuer_name)


def _keys(settings: Settings) -> list[Key]:
    from agent.config.secrets import read_secret
    from agent.credentials import signing

    return [signing.read(read_secret(settings.home, name).reveal(), name) for name in _table(settings).key_files]


def _address(who: Who, email: str) -> str:
    if email:
        if email.count("@") != 1 or any(character.isspace() for character in email):
            raise InvalidInputError(f"{email!r} is no e-mail address", hint="write --email ann@example.org")
        return email
    if who.user is None or who.user.deleted or "@" not in who.user.email:
        raise InvalidInputError(
            f"it is not known which e-mail address {who.title()} has", hint="write --email with the address"
        )
    return who.user.email


def _achievement(badge: str, rulebook: Rulebook) -> Achievement:
    from agent.credentials.badge import Achievement
    from agent.engine.recognition.model import told

    spec = rulebook.badges.get(badge)
    rules = [rule.spec.title or rule.id for rule in rulebook.rules if rule.spec.badge == badge]
    ways = [f"By rule: {title}" for title in dict.fromkeys(rules)]
    if spec is not None and (wanted := spec.wanted()) is not None:
        ways.append(told(rulebook.words.criterion(wanted)))
    name = badge if spec is None else spec.name or badge
    return Achievement(
        badge=badge,
        name=name,
        description=name if spec is None else spec.description or name,
        criteria="; ".join(ways) or "Given by hand",
        image=spec.icon if spec is not None and spec.icon.startswith("https://") else "",
        tags=spec.tags if spec is not None and isinstance(spec.tags, tuple) else (),
    )


def _published(connection: Any, issuer: Issuer, keys: list[Key], rulebook: Rulebook) -> Iterator[tuple[str, bytes]]:
    """(name below the directory, content) of each file."""
    import orjson

    from agent.credentials import signing, status
    from agent.ledger.past import shelves

    def text(document: Mapping[str, Any]) -> bytes:
        return orjson.dumps(dict(document), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)

    yield issuer.did_url.removeprefix(f"{issuer.url}/"), text(issuer.document(keys))
    givings = shelves.givings(connection)
    for badge in sorted({*rulebook.badges, *(badge for _, badge in givings)}):
        document = _achievement(badge, rulebook).document(issuer)
        yield f"achievements/{badge}.json", text({"@context": _contexts(), **document})
    given = ((one.epoch, one.seq, one.gone) for some in givings.values() for one in some)
    for block, bits in sorted(status.blocks(given).items()):
        document = status.document(issuer, block, bits, now=int(time.time()))
        yield status.path(block), signing.signed(document, keys[0], issuer.method(keys[0])).encode()


def _contexts() -> list[str]:
    from agent.credentials.badge import CONTEXT

    return list(CONTEXT)


def _new(path: Path, content: bytes) -> None:
    from machine.whole import write_new

    try:
        written = write_new(path, content)
    except OSError as exc:
        raise not_written(path, exc) from None
    if not written:
        raise InvalidInputError(f"{path} is there already", hint="name another file, or take it away")


def _replace(path: Path, content: bytes) -> None:
    """Put a file in its place that a web server may read, whatever the umask of who types this."""
    draft = path.with_name(f".{path.name}.new")
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o755)
        draft.write_bytes(content)
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as exc:
        raise not_written(path, exc) from None
