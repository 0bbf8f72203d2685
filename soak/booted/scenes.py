"""What is done to the machine, scene by scene; each tells what systemd said, and fails where it does not hold."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

from soak.booted.disk import BEFORE, HERE
from soak.booted.guest import Typed
from soak.booted.site import (
    AGENT,
    AS_AGENT,
    AS_CENTRE,
    CENTRE,
    CENTRE_COPIES,
    CONFIG,
    FORM,
    HOME,
    RECOVERY_KEY,
    Campus,
)

WATCHDOG_S, ABORT_S = 60, 10
LATE_S = 60
DROP_IN = f"/etc/systemd/system/{AGENT}.service.d"
NORTH = "/etc/rewards-agents/north"
SERVICES = (AGENT, f"{AGENT}-backup", f"{AGENT}@", f"{AGENT}-backup@", CENTRE, f"{CENTRE}-backup")
UNITS = tuple(
    f"{service}north{kind}" if service.endswith("@") else f"{service}{kind}"
    for service in SERVICES
    for kind in (".service", ".timer")
    if kind == ".service" or "backup" in service
)
EXPOSURE_MAX = 1.3
INSTALL = f"sh {HERE}/scripts/install.sh --wheels /root/wheels"
ACTIVE_S_MAX = 400
SOON = "[Timer]\nOnCalendar=\nOnCalendar=*:*:0/20\nRandomizedDelaySec=0\nAccuracySec=1s\n"


class Seen(NamedTuple):
    """One line of the table."""

    done: str
    seen: str


Scene = Callable[[Campus], Iterator[Seen]]


def installed(campus: Campus) -> Iterator[Seen]:
    """The steps that the manual prints, on a machine that never saw us, with the earlier release if there is one."""
    guest = campus.guest
    guest.until(lambda: guest.is_active("mariadb"), ACTIVE_S_MAX, "MariaDB is active")
    campus.moodle()
    began = time.monotonic()
    campus.catalogue()
    campus.agent()
    state = guest.show(AGENT, "Type", "ActiveState", "StatusText")
    yield Seen("the manual's steps as printed", f"{_told(state)}; {time.monotonic() - began:.0f} s")
    campus.learn(40, 0.2)
    campus.send(10, 0.5)
    yield Seen("50 acts", _right(campus))


def upgraded(campus: Campus) -> Iterator[Seen]:
    """From the earlier release to this one, back, and forth again, each by the manual's words, while learners act."""
    guest = campus.guest
    had, schema, books = _release(campus), _schema(campus), _books(campus)
    campus.learn(60, 1.0)
    campus.send(20, 1.0)
    guest.type(INSTALL)
    _active(campus)
    came = (
        f"{had} → {_release(campus)}, schema {schema} → {_schema(campus)}, the catalogue's {books} → {_books(campus)}"
    )
    yield Seen("install.sh of this release, the agent at work", f"{came}; {_right(campus)}")
    if _schema(campus) == schema:
        return
    campus.deliver()
    guest.type(f"systemctl stop {AGENT} {CENTRE} && sh {BEFORE}/scripts/install.sh --wheels /root/wheels")
    for unit in (CENTRE, AGENT):
        guest.type(f"systemctl start {unit}", check=False)
        said = guest.type(f"journalctl -t {unit} -n 2 -o cat --no-pager").split("\n")[0]
        state = guest.show(unit, "ActiveState", "Result", "ExecMainStatus")
        yield Seen(f"{unit}: the older release on the newer books", f"{_told(state)}: {said}")
    if _books(campus) != books:
        # It is then no newer than the agent's copy, which delivers to it what came after.
        guest.type(
            f"{AS_CENTRE} {CENTRE} restore --yes $(ls -d {CENTRE_COPIES}/* | head -n 1) && systemctl start {CENTRE}"
        )
        history = "true"
    else:
        history = (
            f"chown {AGENT}: {RECOVERY_KEY} && {AS_AGENT} {AGENT} restore --from-catalogue --yes"
            f" --recovery-key {RECOVERY_KEY} && rm {RECOVERY_KEY}"
        )
    guest.type(
        f"cd {HOME} && {AS_AGENT} sh -c"
        f" 'mkdir newer && mv ledger.db* newer && cp backups/ledger-schema-{schema}.db ledger.db'"
        f" && {history} && systemctl start {AGENT}"
    )
    _active(campus)
    campus.learn(10, 0.2)
    right = _right(campus)
    campus.deliver()
    yield Seen("the way back of docs/ops/backup.md", f"schemas {_schema(campus)}, {_books(campus)}; {right}; delivered")
    guest.type(INSTALL)
    _active(campus)
    campus.verify()
    yield Seen("and forth again", f"schemas {_schema(campus)}, {_books(campus)}; {_right(campus)}")


def rated(campus: Campus) -> Iterator[Seen]:
    """What systemd thinks of the units, as files and as they run, and what it says of the limits."""
    guest = campus.guest
    if verified := guest.type(f"systemd-analyze verify {' '.join(UNITS)}").strip():
        raise Typed(verified)
    yield Seen("systemd-analyze verify", f"nothing to say of {len(UNITS)} units")
    for unit in SERVICES:
        offline = _exposed(campus, f"--offline=true /etc/systemd/system/{unit}.service")
        running = "" if unit.endswith("@") else f", as it runs {_exposed(campus, f'{unit}.service')}"
        yield Seen(f"systemd-analyze security {unit}", f"offline {offline}{running}")
    for unit in (AGENT, CENTRE):
        limits = guest.show(unit, "User", "MemoryCurrent", "MemoryMax", "TasksCurrent", "TasksMax", "NRestarts")
        group = guest.type(f"cd /sys/fs/cgroup/system.slice/{unit}.service; echo $(cat memory.max pids.max)").strip()
        yield Seen(f"limits of {unit}", f"{_told(limits)}; the kernel: {group}")


def handed(campus: Campus) -> Iterator[Seen]:
    """Password, key and token as credentials from a directory that only root can read."""
    guest = campus.guest
    names = ("moodle-db.password", "agent.ed25519", "forms.token")
    guest.type(
        f"install -d -m 0700 /root/secrets && cd {CONFIG} && mv {' '.join(names)} /root/secrets"
        " && chown root: /root/secrets/*"
    )
    lines = "".join(f"LoadCredential={name}:/root/secrets/{name}\n" for name in names)
    guest.write(f"{DROP_IN}/secrets.conf", f"[Service]\n{lines}")
    guest.type(f"systemctl daemon-reload && systemctl restart {AGENT}")
    campus.learn(10, 0.1)
    found = guest.type(f"ls /run/credentials/{AGENT}.service").split()
    yield Seen("secrets by LoadCredential=", f"{', '.join(found)} handed over; {_right(campus)}")


def reloaded(campus: Campus) -> Iterator[Seen]:
    """Rules read again without a restart; broken ones refused."""
    guest = campus.guest
    before = guest.show(AGENT, "MainPID")
    text = guest.type(f"cat {CONFIG}/rules.toml")
    for word, rules in (("adopted", text + 'title = "A form"\n'), ("refused", text + "title =\n"), ("adopted", text)):
        guest.write(f"{CONFIG}/rules.toml", rules)
        guest.type(f"systemctl reload {AGENT}")
        guest.until(partial(_says, campus, word), 30, f"rules {word}")
        said = guest.show(AGENT, "StatusText", "ActiveState")
        yield Seen("systemctl reload", f"{said['ActiveState']}: {said['StatusText'][:110]}")
    if guest.show(AGENT, "MainPID") != before:
        raise Typed("another process than before the reloads")


def hung(campus: Campus) -> Iterator[Seen]:
    """A process that hangs is ended by the watchdog and started again."""
    guest = campus.guest
    guest.write(
        f"{DROP_IN}/soon.conf", f"[Service]\nWatchdogSec={WATCHDOG_S}\nTimeoutAbortSec={ABORT_S}\nRestartSec=2\n"
    )
    guest.type(f"systemctl daemon-reload && systemctl restart {AGENT}")
    campus.learn(40, 0.5)
    took = _again(campus, lambda: guest.type(f"systemctl kill -s STOP {AGENT}"))
    why = guest.type(f"journalctl -u {AGENT} -o cat --no-pager -g 'result .watchdog|ABRT' -n 2").split("\n")
    said = "; ".join(line.removeprefix(f"{AGENT}.service: ") for line in why if line)
    yield Seen(f"kill -STOP, WatchdogSec={WATCHDOG_S}", f"{said}; started again after {took:.0f} s; {_right(campus)}")


def starved(campus: Campus) -> Iterator[Seen]:
    """Less memory than it needs: the kernel ends it and systemd starts it again, until somebody does as doctor says."""
    guest = campus.guest
    # With less it is ended before it can read where its data are, and the journal alone tells.
    little = int(guest.show(AGENT, "MemoryCurrent")["MemoryCurrent"]) * 4 // 5
    guest.write(f"{DROP_IN}/little.conf", f"[Service]\nMemoryMax={little}\nMemorySwapMax=0\n")
    campus.learn(40, 0.5)
    guest.type("systemctl daemon-reload")
    took = _again(campus, lambda: None, times=4)
    why = guest.type(f"journalctl -u {AGENT} -o cat --no-pager -g oom-kill -n 1").strip()
    said = why.removeprefix(f"{AGENT}.service: ")
    yield Seen(f"MemoryMax={little >> 20}M, four fifths of what it has", f"{said} 4 times in {took:.0f} s")
    told = guest.type(f"{AS_AGENT} {AGENT} doctor; true")
    found = [line.split("service: ")[-1] for line in told.splitlines() if "[killed-often]" in line]
    yield Seen("doctor meanwhile", _one(found, "doctor does not say killed-often"))
    (more,) = re.findall(r"MemoryMax=\w+", told)
    guest.write(f"{DROP_IN}/override.conf", f"[Service]\n{more}\n")
    guest.type(f"systemctl daemon-reload && systemctl restart {AGENT}")
    _active(campus)
    state = guest.show(AGENT, "ActiveState", "MemoryMax")
    yield Seen(f"as doctor says: systemctl edit, {more}", f"{_told(state)}; {_right(campus)}")


def copied(campus: Campus) -> Iterator[Seen]:
    """The timers fire by themselves, and each copy proves itself."""
    guest = campus.guest
    for unit, place in ((f"{name}-backup", f"/var/backups/{name}") for name in (AGENT, CENTRE)):
        guest.write(f"/etc/systemd/system/{unit}.timer.d/soon.conf", SOON)
        guest.type(f"systemctl daemon-reload && systemctl restart {unit}.timer")
        guest.until(partial(guest.type, f"ls {place} 2>/dev/null", check=False), ACTIVE_S_MAX, "a copy")
        guest.type(f"rm -r /etc/systemd/system/{unit}.timer.d && systemctl daemon-reload")
        guest.type(f"systemctl restart {unit}.timer")
        guest.until(partial(guest.is_active, unit, "inactive"), ACTIVE_S_MAX, f"{unit} ends")
        state = guest.show(unit, "Result", "ExecMainStatus")
        if state["Result"] != "success":
            raise Typed(f"{unit}: {_told(state)}")
        made = guest.type(f"ls {place}").split()
        yield Seen(f"{unit}.timer, brought forward", f"fired by itself, {_told(state)}: {made[0]}")


def late_database(campus: Campus) -> Iterator[Seen]:
    """The machine boots, and Moodle's database comes long after the agent, which keeps and pays what is posted."""
    guest = campus.guest
    guest.write("/etc/systemd/system/mariadb.service.d/late.conf", "[Service]\nExecStartPre=/bin/sleep 1d\n")
    campus.learn(400, 0.2)
    guest.type("systemctl daemon-reload")
    guest.reboot()
    _active(campus)
    campus.send(10, 0.0)
    guest.until(campus.idle, ACTIVE_S_MAX, "forms are taken")
    without = guest.show("mariadb", "ActiveState")["ActiveState"]
    if without == "active":
        raise Typed("the database was there before the forms")
    guest.type("rm -r /etc/systemd/system/mariadb.service.d && systemctl daemon-reload")
    guest.type("systemctl restart --no-block mariadb")
    guest.until(lambda: guest.is_active("mariadb"), ACTIVE_S_MAX, "MariaDB is active")
    campus.learn(10, 0.2)
    right = _right(campus)
    told = guest.type(f"journalctl -b -u {AGENT} -o cat --no-pager -g 'source_(trouble|recovered)'", check=False)
    yield Seen(
        "systemctl reboot at work, the database comes later",
        f"10 forms answered while mariadb was {without}; {right}; {len(told.splitlines())} lines of it in the journal",
    )


def powerless(campus: Campus) -> Iterator[Seen]:
    """The power goes in the middle of the work, twice."""
    guest = campus.guest
    for more in (20, 60):
        campus.learn(300, 0.05)
        campus.send(400, 0.0)
        until = len(campus.taken()) + more
        guest.until(partial(_taken, campus, until), 200, "forms are taken")
        taken = len(campus.taken())
        campus.cut()
        guest.on()
        _active(campus)
        guest.until(lambda: guest.is_active("mariadb"), ACTIVE_S_MAX, "MariaDB is active")
        campus.learn(5, 0.1)
        yield Seen("the power cut at work, and on again", f"{taken} forms were answered before; {_right(campus)}")
    campus.verify()


def clock_wrong(campus: Campus) -> Iterator[Seen]:
    """The clock an hour ahead, then stepped right; an hour behind, then stepped right."""
    guest = campus.guest
    for wrong, right in (("+1 hour", "-1 hour"), ("-1 hour", "+1 hour")):
        for step, name in ((wrong, f"the clock {wrong}"), (right, f"stepped right ({right})")):
            guest.type(f"date -s '{step}'")
            campus.learn(20, 0.2)
            campus.send(5, 0.2)
            yield Seen(name, _right(campus))
    campus.deliver()
    yield Seen("the service meanwhile", _told(guest.show(AGENT, "ActiveState", "NRestarts")))


def several(campus: Campus) -> Iterator[Seen]:
    """A second campus on the machine, and its backup."""
    guest = campus.guest
    guest.type(f"sh {HERE}/scripts/install.sh campus north")
    config = (
        '[agent]\ncampus = "north"\ndata_dir = "/var/lib/rewards-agents/north"\nrules = "rules.toml"\nmode = "live"\n'
        '[[source]]\nname = "moodle"\nkind = "moodle-logstore"\nurl = "mysql://companion_ro@127.0.0.1:3306/moodle"\n'
        'password_file = "moodle-db.password"\ntable_prefix = "mdl_"\nstart_at = "2026-01-01T00:00:00Z"\n'
    )
    guest.write(f"{NORTH}/config.toml", config)
    guest.type(
        f"cp {CONFIG}/rules.toml /root/secrets/moodle-db.password {NORTH} && chown -R rewards-agent-north: {NORTH}"
        f" && systemctl enable --now {AGENT}@north {AGENT}-backup@north.timer && systemctl start {AGENT}-backup@north"
    )
    lessons = campus.owed().total() - FORM * len(campus.taken())
    paid = "SELECT coalesce(sum(amount), 0) FROM balance"
    guest.until(lambda: campus.ledger(paid, "north") == [[lessons]], ACTIVE_S_MAX, "it paid for the whole log")
    state = guest.show(f"{AGENT}@north", "ActiveState", "User", "StatusText")
    other = guest.type(f"runuser -u rewards-agent-north -- ls {HOME} {CONFIG}; true").strip().replace("\n", "; ")
    copy = guest.show(f"{AGENT}-backup@north", "Result", "ExecMainStatus")
    yield Seen(
        f"a second campus, {AGENT}@north",
        f"{_told(state)}; {lessons} points for the log; its backup: {_told(copy)}; {other}",
    )


def whole(campus: Campus) -> Iterator[Seen]:
    """At the end: both books, and no unit that waits for somebody."""
    guest = campus.guest
    campus.deliver()
    campus.verify()
    guest.type(f"{AS_CENTRE} {CENTRE} verify")
    ((entries,),) = campus.ledger("SELECT count(*) FROM entry")
    yield Seen(f"{AGENT} ledger verify, {CENTRE} verify", f"in order, {entries} entries, all delivered")
    failed = guest.type("systemctl list-units --failed --plain --no-legend 'rewards*'").strip()
    if failed:
        raise Typed(failed)
    began = time.monotonic()
    guest.type(f"systemctl stop {AGENT} {CENTRE}")
    state = guest.show(AGENT, "Result", "ExecMainStatus")
    yield Seen("systemctl stop", f"{_told(state)}; {time.monotonic() - began:.0f} s for both")


SCENES: tuple[Scene, ...] = (
    installed,
    upgraded,
    rated,
    handed,
    reloaded,
    hung,
    starved,
    copied,
    late_database,
    powerless,
    clock_wrong,
    several,
    whole,
)


def _says(campus: Campus, word: str) -> bool:
    return word in campus.guest.show(AGENT, "StatusText")["StatusText"]


def _taken(campus: Campus, many: int) -> bool:
    return len(campus.taken()) >= many


def _told(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in properties.items())


def _exposed(campus: Campus, of: str) -> float:
    told = campus.guest.type(f"systemd-analyze security --no-pager {of} | tail -n 1")
    (exposure,) = map(float, re.findall(r"level for \S+: ([\d.]+)", told))
    if exposure > EXPOSURE_MAX:
        raise Typed(f"more exposed than {EXPOSURE_MAX}: {told}")
    return exposure


def _one(found: list[str], otherwise: str) -> str:
    if not found:
        raise Typed(otherwise)
    return found[0]


def _active(campus: Campus) -> None:
    campus.guest.until(lambda: campus.guest.is_active(AGENT), ACTIVE_S_MAX, "the agent is active")


def _again(campus: Campus, done: Callable[[], object], times: int = 1) -> float:
    """Until systemd has started it so many times again after what was ``done``; in how many seconds."""

    def restarts() -> int:
        return int(campus.guest.show(AGENT, "NRestarts")["NRestarts"])

    before = restarts()
    done()
    return campus.guest.until(lambda: restarts() >= before + times, 600, "it is started again")


def _right(campus: Campus) -> str:
    """Once all is in the ledger: nothing lost, nothing doubled."""
    return f"nothing lost, nothing paid twice ({campus.settle():.0f} s)"


def _release(campus: Campus) -> str:
    return campus.guest.type("readlink /opt/rewards/current").strip().removeprefix("versions/")


def _books(campus: Campus) -> str:
    return str(campus.books("SELECT version_num FROM alembic_version")[0][0])


def _schema(campus: Campus) -> int:
    return int(campus.ledger("PRAGMA user_version")[0][0])
