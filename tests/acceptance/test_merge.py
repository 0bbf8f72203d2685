"""A merge plugin rewrites the log's users; the source is read again from its start; nothing more is paid."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests import servers
from tests.acceptance.campus import Campus, campus

RULES = """
schema = 1
timezone = "UTC"
[[rule]]
id = "lesson"
on = "lesson.completed"
award = 10
[[rule]]
id = "login"
on = "user.logged_in"
award = 1
once_per = "event"
[[rule]]
id = "post"
on = "forum.posted"
award = 2
once_per = "event"
[[rule]]
id = "quiz"
on = "quiz.submitted"
award = 5
once_per = "event"
"""


def _sums(agent: Campus) -> dict[str, int]:
    found: defaultdict[str, int] = defaultdict(int)
    for row in agent.export():
        found[row["learner"]] += int(row["amount"])
    return found


def test_a_log_that_the_merge_plugin_rewrote_pays_nothing_more(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", captured_moodle, RULES)
    agent.catch_up()
    before = _sums(agent)
    kept, gone = sorted((who for who, amount in before.items() if amount), key=lambda who: -before[who])[:2]
    words = ("learner", "merge", gone, kept, "--reason", "one person, two accounts", "--by", "B. Desk")
    seen = agent.command(*words, "--preview").stdout
    assert "would be" in seen
    assert _sums(agent) == before
    agent.command(*words)
    after = _sums(agent)
    assert after[gone] == 0
    assert max(before[kept], before[gone]) <= after[kept] <= before[kept] + before[gone]
    assert "already: nothing changes" in agent.command(*words).stdout
    entries = agent.export()

    user, other = (who.partition(":")[2] for who in (gone, kept))
    # As tool_mergeusers does: the user column of every table with one, the related user of none.
    for table in ("logstore_standard_log", "quiz_attempts", "forum_posts", "forum_discussions"):
        captured_moodle.execute(f"UPDATE IGNORE mdl_{table} SET userid = %s WHERE userid = %s", (other, user))
    # Its newest rows are gone too, so that the source stops and somebody has it read again from its start.
    captured_moodle.execute("DELETE FROM mdl_logstore_standard_log ORDER BY id DESC LIMIT 20")
    assert agent.command("run", "--until-caught-up", check=False).returncode == 3
    agent.command("source", "accept-rewind", "moodle", "--by", "B. Desk", "--yes")
    assert "0 new events, 0 entries" in agent.catch_up()
    assert agent.export() == entries, "what was read again under another user is the same fact"

    shown = agent.json("learner", "show", gone)
    assert (shown["learner"], shown["merged_from"]) == (kept, [gone])
    assert [(one["from"], one["into"], one["by"]) for one in agent.json("learner", "merges")] == [
        (gone, kept, "B. Desk")
    ]
    assert agent.command("ledger", "verify").returncode == 0


def test_one_idnumber_on_two_accounts_proposes_a_merge_and_makes_none(
    captured_moodle: servers.MariaDatabase, tmp_path: Path
) -> None:
    agent = campus(tmp_path / "a", captured_moodle, RULES)
    agent.catch_up()
    assert "no idnumber is on two accounts" in agent.command("learner", "merges", "--proposed").stderr
    captured_moodle.execute("UPDATE mdl_user SET idnumber = 'S-77' WHERE id IN (35, 36)")
    proposed = {"from": "moodle:36", "into": "moodle:35", "idnumber": "S-77"}
    proposed["why"] = "two accounts of one site have this idnumber"
    assert agent.json("learner", "merges", "--proposed") == [proposed]
    assert agent.json("learner", "merges") == []
    agent.command("learner", "merge", "moodle:36", "moodle:35", "--reason", "one idnumber", "--by", "B. Desk")
    assert agent.json("learner", "merges", "--proposed") == []
