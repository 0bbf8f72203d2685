"""What the manual's page shows loads, and pays as it says."""

from __future__ import annotations

import re
from pathlib import Path

from agent.engine.stories import run_cases
from tests.rule_stories import event, file, rule, rulebook
from tests.schedules import lesson, office

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "admin" / "scheduled.md").read_text(encoding="utf-8")
WRITTEN = "\n".join(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


async def test_the_rewards_of_the_manual_load_and_pay(tmp_path: Path) -> None:
    rules = rule(name="lesson") + WRITTEN
    assert [told.failures for told in run_cases(file(rules), rulebook(rules))] == [()]
    warned = [warning.message for warning in file(rules).warnings]
    assert warned == []
    assert len(rulebook(rules).scheduled) == 6
    alone = WRITTEN[: WRITTEN.index("[[scheduled]]\nid          = ")]
    async with office(tmp_path, rule(name="lesson") + alone) as here:
        await here.take([lesson("ann", number, "2026-10-06T09:00:00") for number in (1, 2)])
        for who, days in (("ann", range(5, 10)), ("ben", range(5, 10)), ("cat", range(5, 8)), ("dan", range(5, 7))):
            await here.take([event("submission.received", f"2026-10-{day:02d}T10:00:00", who).seen for day in days])
        await here.decide("2026-10-25T00:00:00")
        assert here.prizes() == {"ann": [50, 375, 1, 50], "ben": [375, 1, 50], "cat": [100]}
