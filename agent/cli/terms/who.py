"""Who is meant by what a helpdesk has in hand: `moodle:35`, a pseudonym, a username, an idnumber, an e-mail, an id."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent.cli.frame import run_async
from agent.errors import InvalidInputError, RewardsError
from machine.words import on_screen

if TYPE_CHECKING:
    from agent.collectors.logstore.history import FoundUser, History
    from agent.config.rulefile import RuleFile
    from agent.config.settings import LogSource, Settings
    from agent.ledger.merging.aliases import Aliases
    from agent.ledger.merging.tags import HeldLink

StudentArgument = Annotated[
    str,
    typer.Argument(metavar="STUDENT", help="A username, idnumber, e-mail, LMS user id, moodle:35, or a pseudonym."),
]
LearnerOption = Annotated[
    str | None,
    typer.Option("--learner", metavar="STUDENT", help="Of one person: moodle:35, username, idnumber, e-mail, id."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """A person: ``learner`` is ``<site>:<LMS user id>``; ``user`` is what Moodle says of them, where it was asked.

    ``source`` is the one that was asked: of another site, where the wallet is that of a system that only posts.
    """

    learner: str
    source: str
    user: FoundUser | None = None

    @property
    def user_id(self) -> str:
        """The LMS user id, at the site that was asked."""
        return self.user.user_id if self.user is not None else self.learner.partition(":")[2]

    def title(self) -> str:
        """`Ann Example (ann, moodle:35)`, or the learner alone where Moodle was not asked."""
        if self.user is None:
            return self.learner
        name = f"{self.user.first_name} {self.user.last_name}".strip() or self.user.username
        gone = ", deleted in Moodle" if self.user.deleted else ", suspended in Moodle" if self.user.suspended else ""
        return on_screen(f"{name} ({self.user.username}, {self.learner}{gone})")

    def names(self) -> dict[str, str]:
        """What messages may say of the person; of one that Moodle was not asked about, the learner's id."""
        from agent.config.rulefile.messages import LEARNER_WORDS

        if self.user is None:
            return dict.fromkeys(LEARNER_WORDS, self.learner)
        said = (self.user.first_name, self.user.last_name, self.user.username)
        return dict(zip(LEARNER_WORDS, said, strict=True))

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        if self.user is None:
            return {"learner": self.learner}
        return {
            "learner": self.learner,
            "username": self.user.username,
            "idnumber": self.user.idnumber,
            "first_name": self.user.first_name,
            "last_name": self.user.last_name,
            "deleted": self.user.deleted,
            "suspended": self.user.suspended,
        }


def sites_of(settings: Settings) -> tuple[str, ...]:
    """The sites that learners can be of, each once."""
    own = [one.site_name for one in settings.log_sources] + [one.site_name for one in settings.post_sources]
    return tuple(dict.fromkeys((*own, *map(settings.web_site, settings.web_sources))))


def learner_of(settings: Settings, connection: sqlite3.Connection, text: str) -> str:
    """The learner that ``text`` means: Moodle is asked only where the ledger does not know.

    Raises:
        InvalidInputError: nobody, or several.
        RewardsError: Moodle must be asked and cannot be.
    """
    return aliases_in(connection).learner(account_of(settings, connection, text))


def account_of(settings: Settings, connection: sqlite3.Connection, text: str) -> str:
    """As `learner_of`, but the very account: also one that was merged into another."""
    from agent.ledger import reading

    known = reading.learner_called(connection, text)
    return known or run_async(_asked_or_told(settings, connection, text, None)).learner


def held_links(connection: sqlite3.Connection, learner: str = "") -> list[HeldLink]:
    """The links that wait for a person; those of ``learner``, whichever side they stand on."""
    from agent.ledger.merging import tags

    found = tags.held(connection)
    return [one for one in found if not learner or learner in {one.learner, *one.others}]


def aliases_in(connection: sqlite3.Connection) -> Aliases:
    """Who is meant by accounts that were merged."""
    from agent.ledger.merging import aliases

    return aliases.of_ledger(connection)


class NobodyError(InvalidInputError):
    """Nobody is called so where it was asked."""


async def _asked_or_told(settings: Settings, connection: sqlite3.Connection, text: str, file: RuleFile | None) -> Who:
    """As `ask_moodle`; whom Moodle does not know, the ledger may, by the id or address that a system told.

    Raises:
        InvalidInputError: nobody, or several; whom is said.
        RewardsError: a table cannot be read or reached.
    """
    from agent.ledger import reading

    try:
        return await ask_moodle(settings, text, file)
    except NobodyError:
        told = [account for account in _accounts(settings, text.strip()) if reading.is_known(connection, account)]
        if len(told) > 1:
            raise _several(text, told) from None
        if not told:
            raise
        return _unasked(settings, told[0])


def _accounts(settings: Settings, text: str) -> list[str]:
    """The learners that ``text`` may mean where systems tell ids alone: the very one, else somebody of each site."""
    from agent.collectors.systems.xapi.statements import id_of_address

    sites = sites_of(settings)
    if text.partition(":")[0] in sites:
        return [text]
    digests = [one.site_name for one in settings.post_sources if one.kind == "xapi" and "@" in text]
    return [f"{site}:{text}" for site in sites] + [f"{site}:{id_of_address(text)}" for site in digests]


def _unasked(settings: Settings, learner: str) -> Who:
    """A learner of whom Moodle says nothing."""
    site = learner.partition(":")[0]
    names = [source.name for source in settings.log_sources if source.site_name == site]
    return Who(learner=learner, source=names[0] if names else site)


def _several(text: str, found: Sequence[str]) -> InvalidInputError:
    return InvalidInputError(f"{text!r} is known to several sites: {', '.join(found)}", hint="ask again with site:id")


async def ask_moodle(settings: Settings, text: str, file: RuleFile | None) -> Who:
    """The one person whom the log sources' user tables know by ``text``.

    Raises:
        NobodyError: nobody, or there is no such site.
        InvalidInputError: several, whom is said.
        RewardsError: a table cannot be read or reached.
    """
    site, _, number = text.partition(":") if ":" in text else ("", "", text)
    sources = [source for source in settings.log_sources if site in {"", source.site_name}]
    if not sources:
        raise _nobody_told_of(settings, site, number)
    found: list[Who] = []
    nobody: NobodyError | None = None
    for source in sources:
        async with history_of(settings, source, file) as history:
            if site:
                users = [one for one in await history.find_user(number) if one.matched == "id"]
                user = users[0] if users else None
            else:
                user, nobody = await _the_user(history, text, nobody)
        if user is not None:
            found.append(Who(learner=f"{source.site_name}:{user.user_id}", source=source.name, user=user))
    if len(found) == 1:
        return found[0]
    if found:
        raise _several(text, [who.title() for who in found])
    raise nobody or NobodyError(f"Moodle has no user with the id {number}", hint="check it in Moodle")


async def _the_user(
    history: History, text: str, nobody: NobodyError | None
) -> tuple[FoundUser | None, NobodyError | None]:
    """Somebody of one site, or the error that says nobody; several of one site are an error at once."""
    found = await history.find_user(text)
    if not found:
        try:
            await history.the_user(text)
        except InvalidInputError as error:
            return None, nobody or NobodyError(error.message, hint=error.hint)
    return await history.the_user(text), nobody


def _nobody_told_of(settings: Settings, site: str, number: str) -> NobodyError:
    """Why nobody is found where no log can be asked: nothing was told of them, or there is no such site."""
    sites = sites_of(settings)
    if site and site not in sites:
        return NobodyError(f"there is no site {site!r}", hint=f"the configuration has: {', '.join(sites)}")
    where = f"at {site}" if site else "here"
    return NobodyError(
        f"nothing was recorded of anybody with the id {number!r} {where}",
        hint="learners are called by the ids that their system posts, such as "
        f"{site or sites[0]}:35; see: rewards-agent events list",
    )


async def person(settings: Settings, connection: sqlite3.Connection, text: str, file: RuleFile) -> Who:
    """The person meant by ``text`` with what Moodle says of them; without that where Moodle cannot be asked.

    Raises:
        InvalidInputError: nobody, or several.
        RewardsError: Moodle must be asked who it is, and cannot be.
    """
    from agent.ledger import reading

    known = reading.learner_called(connection, text)
    merged = aliases_in(connection)
    known = known and merged.learner(known)
    sites = {source.site_name for source in settings.log_sources}
    try:
        asked = _asked_by(merged, known, sites) if known else text
        found = await _asked_or_told(settings, connection, asked, file)
        into = merged.learner(found.learner)
        if into == found.learner:
            return found
        if into.partition(":")[0] in sites:
            return await ask_moodle(settings, into, file)
        return replace(found, learner=into)
    except RewardsError as error:
        if known is None and not isinstance(error, InvalidInputError) and len(settings.log_sources) == 1:
            known = reading.learner_called(connection, f"{settings.log_sources[0].site_name}:{text}")
        if known is None:
            raise
        return _unasked(settings, known)


async def words_of(settings: Settings, accounts: Sequence[tuple[str, str]], file: RuleFile) -> tuple[str, ...]:
    """What the log sources' user tables call these accounts: usernames, idnumbers, addresses, as far as they answer."""
    sites = {source.site_name for source in settings.log_sources}
    found: list[str] = []
    for account in accounts:
        if account[0] in sites:
            with contextlib.suppress(RewardsError):
                user = (await ask_moodle(settings, ":".join(account), file)).user
                found += () if user is None else (user.username, user.idnumber, user.email)
    return tuple(dict.fromkeys(word for word in found if word))


def _asked_by(merged: Aliases, learner: str, sites: Collection[str]) -> str:
    """The account of a learner that Moodle can be asked about: another, where theirs is of a system that only posts."""
    site, _, user = learner.partition(":")
    there = sorted(one for one in merged.group((site, user)) if one[0] in sites)
    return learner if site in sites or not there else ":".join(there[0])


@contextlib.asynccontextmanager
async def history_of(settings: Settings, source: LogSource, file: RuleFile | None) -> AsyncIterator[History]:
    """Live questions to one log source, by the kinds that ``file`` knows; closed at the end."""
    from agent.clock import SystemClock
    from agent.collectors.logstore.history import History
    from agent.config.kinds import KindTable
    from agent.wiring.sources.options import logstore_options

    kinds = KindTable().extended(file.kinds) if file is not None else KindTable()
    history = History(logstore_options(settings, source), SystemClock(), kinds)
    try:
        yield history
    finally:
        await history.close()
