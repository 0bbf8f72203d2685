"""Fair play from end to end: a real log, a real agent, restarts between pages, and what a programme owner then sees."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.campus import campus
from tests.sites import NOW, SqliteSite, log, put

POSTED = r"\mod_forum\event\post_created"
TEXT = "Cellulose keeps the wall of a plant cell stiff even when it has lost most of its water"
RULES = """
schema = 1
timezone = "UTC"

[[rule]]
id = "post"
on = "forum.posted"
award = 5

[[rule]]
id = "constructive"
on = "forum.tagged"
award = 10
conditions = { tag = "constructive", by_staff = true }

[[check]]
id = "copied"
duplicate_text = { in = "course" }

[[check]]
id = "burst"
velocity = "2/10m"
then = "flag"
rules = "post"
weight = 2

[[check]]
id = "suspicious"
suspicion = "3/7d"
then = "hold"
"""


def post(site: SqliteSite, number: int, user: int, text: str) -> None:
    put(site, "forum_posts", id=number, discussion=3, userid=user, parent=0, message=text, wordcount=16)
    log(site, number, eventname=POSTED, objecttable="forum_posts", objectid=number, userid=user,
        contextlevel=70, contextinstanceid=9, timecreated=NOW - 5_000 + number)  # fmt: skip


def test_copies_bursts_and_tags_are_judged_over_restarts_and_no_text_is_kept(tmp_path: Path) -> None:
    site = SqliteSite(tmp_path / "moodle.db")
    for user in (35, 36, 40):
        put(site, "user", id=user, username=f"u{user}")
    put(site, "role", id=3, shortname="teacher", archetype="teacher")
    put(site, "context", id=84, contextlevel=50, instanceid=3, path="/1/84")
    put(site, "role_assignments", id=1, roleid=3, contextid=84, userid=40)
    at = campus(tmp_path / "campus", f"sqlite:///{site.path}", RULES)
    post(site, 1, 35, TEXT)
    at.catch_up()
    post(site, 2, 36, f"<p>{TEXT.upper()}</p>")
    at.catch_up()
    for number in range(3, 7):
        post(site, number, 35, " ".join(f"{word}{number}" for word in TEXT.split()))
        at.catch_up()
    log(site, 7, eventname=r"\core\event\tag_added", objecttable="tag_instance", objectid=1, userid=40,
        other='{"tagname":"constructive","itemid":1,"itemtype":"forum_posts"}')  # fmt: skip
    at.catch_up()

    paid = [(row["learner"], row["rule_id"], row["amount"]) for row in at.export()]
    assert paid == [*[("moodle:35", "post", "5")] * 3, ("moodle:35", "constructive", "10")]
    flagged = at.json("review", "flags")
    assert [(one["learner"], one["check"], one["log"]) for one in flagged] == [
        ("moodle:35", "burst", number) for number in (6, 5, 4)
    ]
    assert at.json("review", "flags", "--check", "copied") == []
    held = at.json("review", "list")
    assert [(one["rule_id"], one["kind"], one["reason"]) for one in held] == [("post", "review", "suspicion 3/7d")] * 2
    assert at.json("review", "anomalies", "--since", "2026-01-01") == []
    explained = at.command("events", "explain", "2").stdout
    assert "duplicate text within 30d" in explained
    assert "100 % like row 1" in explained
    kept = [file for file in at.directory.rglob("*") if file.is_file() and file.suffix != ".toml"]
    assert not [file.name for file in kept if b"ellulose" in file.read_bytes() or b"CELLULOSE" in file.read_bytes()]
    key = at.directory / "data" / "text.key"
    assert (len(key.read_bytes()), key.stat().st_mode & 0o077) == (32, 0)
