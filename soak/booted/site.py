"""The campus on the machine: how it is set up, what learners do, and what they should have then."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from typing import Any

from agent.demo.schema import mariadb_ddl
from soak.booted.disk import SITE
from soak.booted.guest import Guest, Typed

AGENT, CENTRE = "rewards-agent", "rewards-catalogue"
CONFIG, HOME = "/etc/rewards-agent", "/var/lib/rewards-agent"
CENTRE_HOME, CENTRE_COPIES = "/var/lib/rewards-catalogue", "/var/backups/rewards-catalogue"
AS_AGENT = f"runuser -u {AGENT} --"
AS_CENTRE = f"runuser -u {CENTRE} --"
RECOVERY_KEY = f"{CONFIG}/recovery.txt"
"""On paper, on a real campus."""
TOKEN = "/root/forms.token"
"""As those have it who send forms."""
DOOR, STATUS, CENTRE_STATUS = 8733, 8735, 8736
LEARNERS = 50
FIRST_LEARNER, FIRST_LESSON = 31, 1_001
COMPLETED = r"\\core\\event\\course_module_completion_updated"
RULES = """\
schema   = 1
timezone = "Africa/Johannesburg"

[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
min_trust = "trusted_source"

[[rule]]
id = "form"
on = "submission.received"
award = 7
"""
LESSON, FORM = 10, 7
BALANCES = "SELECT site || char(58) || lms_user, amount FROM balance JOIN person USING (person_no) WHERE amount <> 0"
MORE = f"""
[http]
listen = "127.0.0.1:{DOOR}"
status_listen = "127.0.0.1:{STATUS}"

[[source]]
name = "forms"
kind = "generic"
path = "/hook/forms"
bearer_token_files = ["forms.token"]
"""
CENTRE_CONFIG = f"""\
[catalogue]
data_dir = "{CENTRE_HOME}"
status_listen = "127.0.0.1:{CENTRE_STATUS}"
"""
POSTER = f'''\
"""Sends one form after the other, each until it is taken, and tells the world outside of the machine which were."""
import json, time, urllib.request
first = {{first}}
with open("{TOKEN}") as file:
    token = file.read().strip()
with open("/dev/virtio-ports/sent", "w", buffering=1) as told:
    for number in range(first, first + {{many}}):
        who = str({FIRST_LEARNER} + number % {LEARNERS})
        body = {{{{"event": "submission.received", "occurred_at": int(time.time()), "user": {{{{"id": who}}}},
                "submission": {{{{"id": "s%d" % number}}}}}}}}
        request = urllib.request.Request("http://127.0.0.1:{DOOR}/hook/forms", json.dumps(body).encode(),
                                         {{{{"Authorization": "Bearer " + token}}}})
        while True:
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    if answer.status in (200, 202):
                        break
            except OSError:
                time.sleep(0.5)
        told.write("%d\\n" % number)
        time.sleep({{pause}})
'''


class Campus:
    """Moodle, an agent and a catalogue on ``guest``."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._acts = 0
        self._forms = 0
        self._unheard: Counter[str] = Counter()
        """Learner → points of forms of which nobody knows whether they were kept."""

    # ---- an administrator

    def catalogue(self) -> None:
        """Type what docs/ops/catalogue.md says."""
        guest = self.guest
        guest.write("/etc/rewards-catalogue/catalogue.toml", CENTRE_CONFIG)
        guest.type(f"{AS_CENTRE} {CENTRE} init --config /etc/rewards-catalogue/catalogue.toml")
        guest.type(f"systemctl enable --now {CENTRE} {CENTRE}-backup.timer")

    def agent(self) -> None:
        """Type what the README and docs/tutorials/real-moodle.md say, beside rules of our own."""
        guest = self.guest
        told = guest.json(f"{AS_CENTRE} {CENTRE} tenant add uni-example --json")
        said = guest.type(
            f"cd {CONFIG} && {AGENT} init --campus uni-example --moodle-config {SITE}/config.php"
            " --start-at 2026-01-01T00:00:00Z --catalogue http://127.0.0.1:8734"
            " && mariadb < moodle-grants.sql && rm moodle-grants.sql"
        )
        (key,) = set(re.findall(r"REWARDS-RECOVERY-\S+", said))
        guest.write(RECOVERY_KEY, key, mode="600")
        guest.write(f"{CONFIG}/rules.toml", RULES)
        guest.type(f"cat >>{CONFIG}/config.toml", stdin=MORE)
        guest.type(f"umask 077; head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \\n' >{CONFIG}/forms.token")
        guest.type(f"cp {CONFIG}/forms.token {TOKEN}")
        guest.type(f"chown -R {AGENT}: {CONFIG} && {AS_AGENT} {AGENT} mode live --yes")
        guest.type(f"systemctl enable --now {AGENT} {AGENT}-backup.timer")
        guest.type(f"{AS_AGENT} {AGENT} enrol -", stdin=told["token"] + "\n")

    def moodle(self) -> None:
        """A Moodle's database, with nobody in it."""
        ddl = ";\n".join(mariadb_ddl())
        self.guest.type("mariadb -e 'CREATE DATABASE moodle CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci'")
        self.guest.type("mariadb moodle", stdin=f"{ddl};\n")

    # ---- learners

    def learn(self, acts: int, pause_s: float) -> None:
        """Learners complete lessons in the background, one each ``pause_s``; every fifth is told twice."""
        rows = []
        for number in range(self._acts, self._acts + acts):
            rows += [_completion(number)] * (2 if number % 5 == 0 else 1)
        self._acts += acts
        pause = f"DO SLEEP({pause_s});\n" if pause_s else ""
        self.guest.write("/root/acts.sql", "".join(f"{row};\n{pause}" for row in rows))
        self._background("learners", "sh -c 'mariadb moodle </root/acts.sql'")

    def send(self, forms: int, pause_s: float) -> None:
        """Somebody sends forms in the background, each until it is taken."""
        self.guest.write("/root/forms.py", POSTER.format(first=self._forms, many=forms, pause=pause_s))
        self._forms += forms
        self._background("senders", "python3 /root/forms.py")

    def _background(self, name: str, command: str) -> None:
        self.guest.type(f"systemctl reset-failed {name} 2>/dev/null; systemd-run --quiet --unit={name} {command}")

    def idle(self) -> bool:
        """Whether nobody learns and nobody sends."""
        return "active" not in self.guest.type("systemctl is-active learners senders", check=False).split()

    # ---- what must be

    def owed(self) -> Counter[str]:
        """Learner → points, by what Moodle's log has and by which forms were answered with 200."""
        told = self.guest.type(
            "mariadb -N moodle -e 'SELECT relateduserid, COUNT(DISTINCT contextinstanceid)"
            " FROM mdl_logstore_standard_log GROUP BY relateduserid'"
        )
        owed: Counter[str] = Counter()
        for line in told.splitlines():
            who, lessons = line.split()
            owed[f"moodle:{who}"] += LESSON * int(lessons)
        for number in self.taken():
            owed[_sender(number)] += FORM
        return owed

    def taken(self) -> set[int]:
        """Numbers of forms of which the world outside knows that they were taken."""
        sent = self.guest.sent
        return {int(line) for line in sent.read_text().split("\n")[:-1]} if sent.exists() else set()

    def cut(self) -> None:
        """The power goes. The form that is on its way may have been kept, and nobody heard the answer."""
        self.guest.cut()
        self._unheard[_sender(max(self.taken(), default=-1) + 1)] += FORM

    def ledger(self, ask: str, beside: str = "") -> list[list[Any]]:
        """Rows of the ledger; of that of the campus ``beside``, where it is named."""
        if beside:
            return self._rows(f"runuser -u {AGENT}-{beside} --", f"{HOME}s/{beside}/ledger.db", ask)
        return self._rows(AS_AGENT, f"{HOME}/ledger.db", ask)

    def books(self, ask: str) -> list[list[Any]]:
        """Rows of the catalogue's database."""
        return self._rows(AS_CENTRE, f"{CENTRE_HOME}/catalogue.db", ask)

    def _rows(self, account: str, file: str, ask: str) -> list[list[Any]]:
        """Asked of the file, for that is quick."""
        read = f"""sqlite3.connect("file:{file}?mode=ro", uri=True).execute("{ask}").fetchall()"""
        told = self.guest.type(f"{account} python3 -c 'import json, sqlite3; print(json.dumps({read}))'")
        rows: list[list[Any]] = json.loads(told)
        return rows

    def unequal(self) -> list[str]:
        """Who has more or less than they should, in words."""
        has = Counter(dict(self.ledger(BALANCES)))
        owed = self.owed()
        return [
            f"{who} has {has[who]} and should have {owed[who]}"
            for who in sorted(has.keys() | owed.keys())
            if not 0 <= has[who] - owed[who] <= self._unheard[who] or (has[who] - owed[who]) % FORM
        ]

    def settle(self, within_s: float = 180) -> float:
        """Wait until nobody acts any more and everybody has what they should; after how many seconds it was."""
        began = time.monotonic()
        self.guest.until(self.idle, within_s, "learners and senders are done")
        told: list[str] = []

        def right() -> bool:
            told[:] = self.unequal()
            return not told

        try:
            self.guest.until(right, within_s, "everybody has what they should")
        except Typed as late:
            raise Typed(f"{late}: {'; '.join(told[:5])}") from late
        return time.monotonic() - began

    def deliver(self, within_s: float = 180) -> None:
        """Wait until the catalogue has confirmed every entry."""
        ask = "SELECT (SELECT max(seq) FROM entry) - max(acked_seq) FROM reader"
        self.guest.until(lambda: self.ledger(ask) == [[0]], within_s, "the catalogue has every entry")

    def verify(self) -> None:
        """The chain of the ledger and all that is worked out from it."""
        self.guest.type(f"{AS_AGENT} {AGENT} ledger verify")


def _sender(number: int) -> str:
    return f"forms:{FIRST_LEARNER + number % LEARNERS}"


def _completion(number: int) -> str:
    who, lesson = FIRST_LEARNER + number % LEARNERS, FIRST_LESSON + number // LEARNERS
    return (
        "INSERT INTO mdl_logstore_standard_log (eventname, component, action, target, objecttable, objectid, crud,"
        " edulevel, contextid, contextlevel, contextinstanceid, userid, courseid, relateduserid, anonymous, other,"
        f" timecreated, origin) VALUES ('{COMPLETED}', 'core', 'updated', 'course_module_completion',"
        f" 'course_modules_completion', {number + 1}, 'u', 2, {lesson + 200}, 70, {lesson}, {who}, 3, {who}, 0,"
        """ '{"completionstate":1}', UNIX_TIMESTAMP(), 'web')"""
    )
