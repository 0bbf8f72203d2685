"""Whatever breaks and comes twice or late, the catalogue ends with the names that are to be there, and no other."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.catalogues import running_catalogue
from tests.effort import examples
from tests.integration.people.school import LIMIT_S, Lms, School, school

USERS = ("35", "36", "37")
STEPS = st.one_of(
    st.tuples(st.just("rename"), st.sampled_from(USERS), st.sampled_from(["", "n1", "n2"])),
    st.tuples(st.sampled_from(["out", "back", "erase"]), st.sampled_from(USERS), st.just("")),
    st.tuples(st.sampled_from(["tell", "deliver", "replay", "lost", "tomorrow", "away"]), st.just(""), st.just("")),
    st.tuples(st.just("restart"), st.sampled_from(["username", "email", ""]), st.just("")),
)
FAILS = st.lists(st.sampled_from(["", "before", "after"]), max_size=8)


@settings(max_examples=examples(14), deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, max_size=14), fails=FAILS)
def test_whatever_breaks_the_catalogue_ends_with_the_names_that_are_to_be_there(
    catalogue_file: Path, steps: list[tuple[str, str, str]], fails: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        told, wanted = asyncio.run(_told(Path(place), catalogue_file, steps, fails))
    assert told == wanted


async def _told(
    place: Path, catalogue_file: Path, steps: list[tuple[str, str, str]], fails: list[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """What the catalogue says in the end, and what it is to say."""
    url = f"sqlite:///{shutil.copy(catalogue_file, place / 'books.db')}"
    lms = Lms(called={"moodle": dict.fromkeys(USERS, "n0")})
    async with running_catalogue(place, url) as real:
        said_by, left, gone, begun = "username", list(steps), set[str](), False
        while True:
            async with school(place / "a", real, lms, said_by=said_by, fails=fails) as at:
                if not begun:
                    await at.acts(*USERS)
                    begun = True
                said_by = await _played(at, left, gone) if left else said_by
                if not left:
                    fails.clear()
                    return await _settled(at), _wanted(lms, gone, said_by=at.naming._calls.said_by)  # noqa: SLF001


async def _played(at: School, left: list[tuple[str, str, str]], gone: set[str]) -> str:
    """Play what is left until the agent starts again; as what it tells then."""
    while left:
        step, user, name = left.pop(0)
        if step == "restart":
            return user
        if step == "rename":
            at.lms.called["moodle"][user] = name
        elif step == "away":
            at.lms.away ^= {"moodle"}
        else:
            await _does(at, step, user)
        gone |= {f"{step} {user}"} if step in {"out", "erase"} else set()
        gone -= {f"out {user}"} if step == "back" else set()
    return at.naming._calls.said_by  # noqa: SLF001 - as it was


async def _does(at: School, step: str, user: str) -> None:
    doings = {
        "out": lambda: at.out(user),
        "back": lambda: at.back(user),
        "erase": lambda: at.erase(user),
        "tell": lambda: at.naming.drain(limit_s=LIMIT_S),
        "deliver": lambda: at.outbox.drain(limit_s=LIMIT_S),
        "replay": at.line.replay,
        "lost": at.lose,
        "tomorrow": at.tomorrow,
    }
    await doings[step]()


async def _settled(at: School) -> dict[str, str]:
    """What the catalogue says once nothing breaks any more, a quarter of an hour later."""
    at.lms.away.clear()
    await at.outbox.drain(limit_s=LIMIT_S)
    await at.writes(lambda conn: conn.execute("UPDATE name_told SET looked_at = 0"))
    at.naming._asked_at = None  # noqa: SLF001 - it is asked for its register again
    await at.naming.drain(limit_s=LIMIT_S)
    return await at.told()


def _wanted(lms: Lms, gone: set[str], *, said_by: str) -> dict[str, str]:
    there = {user for user in USERS if gone.isdisjoint({f"out {user}", f"erase {user}"})}
    return {f"moodle:{user}": name for user, name in lms.called["moodle"].items() if name and user in there and said_by}
