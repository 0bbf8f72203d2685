"""Who looks after the machines: takes backups, loses disks, puts older copies back, and follows the runbook."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Coroutine, Iterable
from pathlib import Path
from random import Random
from typing import Any

from agent.config.settings import load_settings
from agent.errors import IntegrityError, RewardsError
from agent.ledger.backup.restoring import restore as put_back
from agent.ledger.backup.taking import copies, take
from agent.model import Page
from agent.wiring.restoring import Wanted, restore
from catalogue import tenants
from sim.earlier import EARLIEST, schema_of, turn_back
from sim.look import Seen, look
from sim.model import BONUS, NEVER, PAYS, rules, version
from sim.moodle import BEGAN, form_post
from sim.programs import Sidecar, write_key
from sim.world import CAMPUS, FORMS, World
from wire import keys

BACKUPS_KEPT = 3
EDITS_MAX = 5
AGAIN_S = 7.0
"""How long the operator waits before a command that failed is typed again."""
LOOKS_S = 40.0
"""How long after a restore the operator looks whether the catalogue agrees; delivery has found out by then."""
TRIES_MAX = 200
UNKNOWN = "this key is not known here"
"""What the catalogue says to an agent whose key is younger than the copy that was put back."""
REVOKED = "was revoked"
"""What it says to one that its operator shut out."""
FOREIGN = "is not the catalogue's"
"""What an agent says of one that signs with an older key than it has met."""
REPLACED = "this key was"
"""How begins what the catalogue says of a key that it knows from before: it was replaced, or in use."""
UNFINISHED = "came with a new token"
"""What it says to a key whose enrolment broke off."""
TOKEN = "this token"
"""How begins what it says of a token that is used up, over, or younger than the copy that was put back."""


class Operator:
    """Looks after one agent, does one thing after the other; ``busy`` is what is under way."""

    def __init__(self, world: World, sidecar: Sidecar, chance: Random) -> None:
        self._world = world
        self._sidecar = sidecar
        self._agent = sidecar.program
        self._where = "" if sidecar is world.sidecar else " in the north"
        self._backups = world.root / f"backups of {sidecar.name}"
        self._chance = chance
        self._task: asyncio.Task[None] | None = None
        self._used = ""
        self._edits = 0
        self._pays = dict(PAYS)
        self._version = version(rules(terms=world.terms))

    @property
    def busy(self) -> bool:
        """Whether a restore is under way."""
        return self._task is not None and not self._task.done()

    @property
    def _sells(self) -> bool:
        """Whether it is this agent that learners redeem at and send forms to."""
        return self._sidecar is self._world.sidecar

    def back_up(self) -> None:
        """`rewards-agent backup`."""
        world = self._world
        data_dir = self._agent.home / "data"
        try:
            take(data_dir, self._backups, keep=BACKUPS_KEPT, now=int(BEGAN + world.loop.time()))
        except RewardsError as exc:
            world.trace.say(f"no backup: {exc.message}")
        else:
            world.trace.say("a backup of the ledger is taken")

    def put_back_agent(self) -> None:
        """The agent loses its disk and gets a backup; where that is too old, the catalogue's history."""
        found = copies(self._backups) if (self._backups).exists() else []
        if found:
            self._begin(self._older_agent(self._chance.choice(found)))

    def lose_agent(self) -> None:
        """The agent loses its disk, and there is no backup."""
        self._begin(self._lost_agent())

    async def hurry(self) -> None:
        """`rewards-agent sync now`: what waits for a backoff is tried at once."""
        await self._agent.typed("sync.now")

    async def edit_rules(self) -> None:
        """Another version of the rules, often one that pays otherwise; or one that cannot be read: the last goes on."""
        draw = self._chance.random()
        rule = self._chance.choice(sorted(PAYS))
        if draw < 0.5:
            self._pays[rule] = PAYS[rule] + self._chance.randrange(3)
            self._world.trace.fault("rules edited", f"{rule} pays {self._pays[rule]}")
            self._write_rules()
        elif draw < 0.7:
            self._world.trace.fault("rules edited", "they pay the same")
            self._write_rules()
        else:
            self._world.trace.fault("rules edited", "they cannot be read")
            self._write_rules("[[rule\n")

    def edit_between_pages(self) -> None:
        """The agent falls behind, and while it catches up each of some pages is followed by another version."""
        left = self._chance.randrange(1, EDITS_MAX)

        def paged(page: Page) -> None:
            nonlocal left
            if not page.observations or not left:
                return
            left -= 1
            rule = self._chance.choice(sorted(PAYS))
            self._pays[rule] = PAYS[rule] + self._chance.randrange(3)
            self._world.trace.fault("rules edited between pages", f"{rule} pays {self._pays[rule]}")
            self._write_rules()
            if self._chance.random() < 0.5:  # else the agent sees for itself, some seconds later
                self._agent.reload()

        self._agent.on_page = paged
        self._agent.stop()

    async def add_rule(self) -> None:
        """A rule that nobody had thought of, for what was before, too: it is typed until all is right.

        Only where no account is deleted and the log is kept: who is gone is paid nothing more, nor what is.
        """
        world = self._world
        if world.linked and not world.moodle.removed:
            world.trace.fault("rule added")
            world.bonus = True
            self._pays["bonus"] = BONUS
            self._write_rules()
            await self.backfill()

    async def backfill(self) -> None:
        """`rewards-agent rules backfill`: by the log, page by page; refused until the agent runs these rules."""
        asked = {"rule": "bonus", "since": 0, "until": NEVER, "source": "moodle", "compensate": False, "by": "operator"}
        page: dict[str, Any] | None = {"cursor": None}
        while page is not None:
            cursor = page["cursor"]
            page = await self._agent.typed("rules.backfill", **asked, version=self._version, cursor=cursor)
            if page is None or page["cursor"] is None:
                return

    def mend_rules(self) -> None:
        """What cannot be read is put right, where anything was edited."""
        if self._edits:
            self._write_rules()

    def _write_rules(self, more: str = "") -> None:
        # Each version is longer than the one before, so that no two written in one tick of a file system look alike.
        self._edits += 1
        text = rules(self._pays, "edited" + "!" * self._edits, self._world.terms)
        self._version = version(text)
        self._world.rules[self._version] = dict(self._pays)
        (self._agent.home / "rules.toml").write_text(text + more)

    async def rotate_key(self) -> None:
        """`rewards-agent key rotate`; the next key is from the seed, as if an earlier try had broken off behind it."""
        if self.busy:
            return
        self._world.trace.fault("agent's key rotated")
        waiting = self._next_key()
        if not waiting.exists():
            write_key(waiting, self._chance)
        await self._agent.typed("key.rotate")

    def upgrade(self) -> None:
        """A newer program in the place of one of an earlier schema, which had kept the ledger until now."""
        if not self.busy:
            self._begin(self._upgraded())

    async def _upgraded(self) -> None:
        await self._agent.down()
        self._agent.moved(self._agent.home)  # what of a life that ended is still under way has the old disk's files
        data_dir = self._agent.home / "data"
        if (today := schema_of(data_dir)) > EARLIEST:
            schema = self._chance.randrange(EARLIEST, today)
            self._world.trace.fault("agent upgraded", f"from schema {schema}")
            turn_back(data_dir, schema)
        if self._chance.random() < 0.5:
            self.back_up()
        self._agent.up()
        if calls := self._chance.choice((0, 0, 3, 20)):
            await asyncio.sleep(0.001)
            self._agent.kill_within(calls)

    async def rebuild(self) -> None:
        """`rewards-agent ledger rebuild`."""
        self._world.trace.fault("projections rebuilt")
        await self._agent.typed("ledger.rebuild")

    def _next_key(self) -> Path:
        return self._agent.home / "agent.ed25519.next"

    async def merge(self, held: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        """`rewards-agent learner merge` of what waits for a person: both had earned before they were linked."""
        for account, others in held:
            self._world.trace.say(f"operator merges {account} into {others[0]}")
            words = {"source": account, "target": others[0], "reason": "the same address", "by": "operator"}
            await self._agent.typed("learner.merge", **words)

    async def done(self) -> Seen | None:
        """When nothing is under way any more; then the agent's delivery must be sound, or the runbook is followed.

        Returns how it stands then.
        """
        if self._task is not None:
            await self._task
        if self._next_key().exists():  # a rotation broke off: it is typed again until it is done
            await self._agent.typed("key.rotate")
        if self._world.bonus:  # what it paid may have been on a disk that is gone
            await self.backfill()
        return await self._until_agreed()

    def _begin(self, doing: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(doing)

    async def _older_agent(self, copy: Path) -> None:
        world = self._world
        world.trace.fault(f"older ledger put back{self._where}", copy.name)
        await self._agent.down()
        world.sold.apart |= self._sells
        now = int(BEGAN + world.loop.time())
        put_back(self._agent.home / "data", copy, campus=CAMPUS, environment="production", now=now)
        self._up_again()
        await asyncio.sleep(LOOKS_S)
        await self._until_agreed()

    async def _lost_agent(self) -> None:
        world = self._world
        world.trace.fault(f"agent's disk lost{self._where}")
        await self._agent.down()
        world.sold.apart |= self._sells
        shutil.rmtree(self._agent.home / "data")
        self._new_key()
        await self._from_catalogue(await self._token())
        self._up_again()

    async def _until_agreed(self) -> Seen | None:
        """The runbook: section B where the catalogue has more or other entries, D where it does not know the key."""
        for _ in range(TRIES_MAX):
            seen = look(self._agent.home)
            if seen is not None and seen.fault:
                self._world.trace.say(f"operator reads: {seen.fault}")
                await self._brought_back("")
            elif seen is not None and UNKNOWN in seen.trouble:
                self._world.trace.say(f"operator reads: {seen.trouble}")
                await self._enrol(UNKNOWN)
            elif seen is not None and UNFINISHED in seen.trouble:
                self._world.trace.say(f"operator reads: {seen.trouble}")
                await self._enrolled(self._used, UNFINISHED)
            elif seen is not None and (said := await self._shut_out(seen.trouble)):
                await self._enrol(said, anew=True)
            else:
                return seen
            await asyncio.sleep(LOOKS_S)
        return None

    async def _shut_out(self, trouble: str) -> str:
        """Why this agent needs another key, or nothing; what was said in bad weather is asked once more."""
        said = next((said for said in (REVOKED, FOREIGN) if said in trouble), "")
        if not said:
            return ""
        await self.hurry()
        seen = look(self._agent.home)
        if seen is None or said not in seen.trouble:
            return ""
        self._world.trace.say(f"operator reads: {seen.trouble}")
        return said

    async def _enrol(self, because: str, *, anew: bool = False) -> None:
        """A token for this very agent, ``anew`` with a key of its own."""
        token = await self._token()
        if anew:
            await self._agent.down()
            self._new_key()
            self._agent.up()
        await self._enrolled(token, because)

    async def _enrolled(self, token: str, because: str) -> None:
        """`rewards-agent enrol` at the next start, again until nothing is said of ``because`` or it is refused.

        Where the ledger turns out to be another one than was delivered, that is brought back with the same token.
        """
        agent, self._used, self._sidecar.token = self._agent, token, token
        agent.stop()
        agent.ending = ""
        for _ in range(TRIES_MAX):
            await asyncio.sleep(AGAIN_S)
            seen = look(agent.home)
            if agent.ending.startswith("3 "):
                self._world.trace.say(f"operator reads: {agent.ending}")
                self._sidecar.token = ""
                await self._brought_back(token)
            if seen is None or because not in seen.trouble or agent.ending.startswith("2 "):
                break
        self._sidecar.token = ""

    async def _brought_back(self, token: str) -> None:
        """Section B of the runbook: what was delivered takes the ledger's place."""
        await self._agent.down()
        await self._from_catalogue(token)
        self._up_again()

    def _new_key(self) -> None:
        """The old file is moved away; `rewards-agent key new`."""
        self._next_key().unlink(missing_ok=True)
        write_key(self._agent.home / "agent.ed25519", self._chance)

    async def _from_catalogue(self, token: str) -> None:
        """`rewards-agent restore --from-catalogue`, typed until it is done, with what the last answer asked for."""
        world = self._world

        async def command() -> str:
            settings = load_settings(self._agent.home / "config.toml")
            wanted = Wanted(token=token, key=world.recovery)
            try:
                done = await restore(settings, wanted, clock=self._sidecar.clock)
            except IntegrityError as exc:
                return f"integrity: {exc.message}"
            except RewardsError as exc:
                return f"{type(exc).__name__}: {exc.message}"
            return f"{done.entries} entries came back"

        for _ in range(TRIES_MAX):
            said = await self._agent.command(command, self._chance.choice((0, 0, 30, 100)))
            said = said or "killed"
            world.trace.say(f"restore --from-catalogue: {said}")
            if said.endswith("came back"):
                return
            await asyncio.sleep(AGAIN_S)
            if REVOKED in said or REPLACED in said:
                self._new_key()
            if any(told in said for told in (REVOKED, REPLACED, UNKNOWN, TOKEN)):
                token = await self._token()
        world.loop.troubles.append("a ledger did not come back from the catalogue")

    async def _token(self) -> str:
        """What the catalogue's operator types, until it is done."""
        world = self._world

        async def made() -> str:
            async with world.catalogue.store.writing() as conn:
                now = world.clocks["catalogue"].now()
                known = keys.load(world.centre.home / "catalogue.ed25519").fingerprint
                token = await tenants.new_token(conn, CAMPUS, known, expires_at=now + 90_000, name=self._sidecar.name)
            return token.text()

        for _ in range(TRIES_MAX):
            if world.catalogue.listens(world.centre) and (found := await world.centre.inside(made)):
                return found
            await asyncio.sleep(AGAIN_S)
        return ""

    def _up_again(self) -> None:
        """Start the agent after a restore: with the campus's link key, and with what only its senders have."""
        self._world.give_link_key(self._agent)
        self._agent.up()
        self._forms_again()

    def _forms_again(self) -> None:
        """Forms have no log: whoever sent them sends them all once more, as the runbook says."""
        for form in list(self._world.forms) if self._sells else ():
            self._world.send(FORMS, form_post(form), f"of form {form.number} again", 1)
