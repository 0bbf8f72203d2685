"""The commands of the manual that change something: in which order they are played, and which are played elsewhere.

All of them together are one story on one campus. Pages whose commands end somebody or something come last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from agent.demo.stage.place import CAMPUS
from tests.pages import Typed, typed
from tests.reader import Reader

LAST = ("docs/admin/corrections.md", "docs/admin/privacy.md", "docs/ops/catalogue.md")
"""Two accounts become one, a learner is erased, the campus is closed."""
ELSEWHERE: Mapping[str, Sequence[str]] = {
    "runs until it is stopped: tests/acceptance/test_demo.py": ("rewards-agent demo", "rewards-catalogue serve"),
    "a machine with nothing of ours, as root: tests/acceptance/test_readme.py": (
        "rewards-agent init --dir /etc/rewards-agent",
    ),
    "a Moodle that posts: tests/unit/cli/test_init_workflows.py": (
        "rewards-agent init --tool-trigger",
        "rewards-agent init --campus uni-example --moodle-config /var/www/moodle/config.php --tool-trigger",
        "rewards-agent events requeue --source forms",
    ),
    "a campus that is not there yet: tests/integration/test_catalogue_commands.py": (
        "rewards-catalogue tenant add uni-example",
        "rewards-catalogue reward add uni-example tea --title 'A cup of tea' --price points=10",
    ),
    "a machine that lost its ledger or its key: tests/acceptance/test_recovery.py, tests/acceptance/test_backup.py": (
        "rewards-agent key new",
        "rewards-agent key recovery",
        "rewards-agent enrol -",
        "rewards-agent restore",
        "rewards-catalogue restore",
    ),
    "a campus that vouches for badges: tests/integration/test_credentials.py": (
        "rewards-agent badge key",
        "rewards-agent badge publish",
        "rewards-agent badge credential",
    ),
    "a log that was put back: tests/integration/test_cli_books.py": ("rewards-agent source accept-rewind",),
    "a campus with two sites or agents: tests/integration/test_linking.py, tests/acceptance/test_purse.py": (
        "rewards-agent learner merge campus2:9",
        "rewards-agent learner unlink campus2:9",
        "rewards-catalogue wallet link",
        "rewards-catalogue wallet unlink",
        "rewards-catalogue site move",
    ),
    "entries that were refused: tests/integration/wallets/test_wallets.py": (
        "rewards-catalogue entry accept uni-example agent-1 1001",
    ),
    "awards over a budget, and none beyond the limit of a day: tests/unit/review/test_holds_beside_awards.py": (
        "rewards-agent review approve --rule lesson-completed",
    ),
    "an award in which forty points can be: tests/unit/review/test_amounts.py": ("rewards-agent review approve 19",),
    "a wish that waits for the catalogue: tests/integration/redemption/test_desk.py": (
        "rewards-agent redemption cancel",
    ),
    "a month that is over: tests/integration/test_closing.py, tests/integration/funding/test_everywhere.py": (
        "rewards-catalogue finance close",
        "rewards-catalogue finance all 2026-10 --close",
    ),
    "PostgreSQL: tests/integration/scale": ("rewards-catalogue archive drop", "rewards-catalogue archive load"),
    "a partner's statement: tests/integration/redemption/test_partners.py": ("rewards-catalogue partner reconcile",),
    "a sheet of another system: tests/acceptance/test_import_csv.py": ("rewards-agent import csv",),
    "somebody who is called back: tests/integration/outbox": ("rewards-agent callback test",),
    "a rule that was made live meanwhile: tests/acceptance/test_backfill.py": (
        "rewards-agent rules backfill --rule first-quiz",
    ),
}
"""What these need that this campus has not, and what plays it; each is the beginning of a line."""


def to_write(looks: Callable[[Typed], bool]) -> Mapping[str, Sequence[Typed]]:
    """Page by page, in the order of the story, what changes something; ``looks`` tells what does not."""
    pages: dict[str, list[Typed]] = {}
    for one in typed():
        if not looks(one) and not elsewhere(one):
            pages.setdefault(one.page, []).append(one)
    return {page: pages[page] for page in sorted(pages, key=lambda page: (page in LAST, _rank(page)))}


def _rank(page: str) -> int:
    return LAST.index(page) if page in LAST else 0


def elsewhere(one: Typed) -> bool:
    """Whether this campus cannot play it."""
    return any(one.line.startswith(line) for lines in ELSEWHERE.values() for line in lines)


def idle() -> Iterator[str]:
    """Excuses that no command of the manual needs."""
    lines = [one.line for one in typed()]
    for beginnings in ELSEWHERE.values():
        yield from (start for start in beginnings if not any(line.startswith(start) for line in lines))


def take_for_given(reader: Reader, one: Typed) -> None:
    """What a command takes for given, and nothing on the campus has made yet."""
    for beginning, give in GIVEN.items():
        if one.line.startswith(beginning):
            give(reader)


def _points(reader: Reader) -> None:
    reader.typed("rewards-agent ledger adjust moodle:35 900 --reason 'an open day' --by 'B. Desk'")
    reader.typed("rewards-agent sync now")


def _voucher(reader: Reader) -> None:
    """One that nobody has used, and the redemption that gave it."""
    said = reader.typed(f"rewards-catalogue redeem {CAMPUS} ann tea --json")
    bought = json.loads(said)
    reader.stands_for |= {"uni-example.pk3v5m": bought["token"], "r3c1a09b7e2f84d5516aa20c4": bought["redemption"]}


def _kudos(reader: Reader) -> None:
    """Kudos with a comment."""
    reader.typed(f"rewards-catalogue kudos policy {CAMPUS} per_pair=9/7d")
    said = reader.typed("rewards-agent kudos give moodle:36 ann@example.org '#helpful And thank you'")
    number = said.split()[1].rstrip(",:.")
    reader.typed(f"rewards-agent kudos comment ann@example.org {number} Gladly")
    reader.stands_for["1"] = number


def _held(reader: Reader) -> None:
    """Decisions that wait for somebody."""
    held = [one["decision"] for one in json.loads(reader.typed("rewards-agent review list --json"))]
    reader.stands_for |= dict(zip(("106", "159"), map(str, held), strict=False))


def _codes(_: Reader) -> None:
    Path("codes.txt").write_text("AAAA-1\nAAAA-2\n", encoding="utf-8")


def _called_back(_: Reader) -> None:
    Path("called-back.txt").write_text("AAAA-2\n", encoding="utf-8")


def _books(reader: Reader) -> None:
    """A reward of codes; where another page has made it before, it stays."""
    if not any(
        "books" in one.values() for one in json.loads(reader.typed(f"rewards-catalogue reward list {CAMPUS} --json"))
    ):
        reader.typed(
            f"rewards-catalogue reward add {CAMPUS} books --title Books --price points=500 --handing codes --approve"
        )


def _yaml(_: Reader) -> None:
    text = "- id: visit\n  event: lesson.completed\n  points: 1\n  frequency: 1\n"
    Path("rules.yaml").write_text(text, encoding="utf-8")


def _food(reader: Reader) -> None:
    reader.typed(f"rewards-catalogue reward label {CAMPUS} category food --title Food")


def _reputation(reader: Reader) -> None:
    reader.typed("rewards-agent ledger adjust moodle:35 400 --currency reputation --reason 'a prize' --by 'B. Desk'")


GIVEN: Mapping[str, Callable[[Reader], None]] = {
    "rewards-agent ledger adjust moodle:35 -400 --currency reputation": _reputation,
    "rewards-agent review approve 106": _held,
    "rewards-agent allowance draw": _points,
    "rewards-catalogue budget set uni-example '80.00 GBP' --category food": _food,
    "rewards-catalogue kudos give": _kudos,
    "rewards-catalogue kudos hide": _kudos,
    "rewards-agent kudos moderate 1 hide": _kudos,
    "rewards-catalogue redemption use": _voucher,
    "rewards-catalogue redemption refund": _voucher,
    "rewards-catalogue codes free": _books,
    "rewards-catalogue codes import": _codes,
    "rewards-catalogue codes withdraw": _called_back,
    "rewards-agent rules import": _yaml,
}
"""By how the line begins."""
