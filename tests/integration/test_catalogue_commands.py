"""What holds of all commands of `rewards-catalogue`: names are kept, and no campus is believed that is not there."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.operator import CAMPUS, Operator, every_command

CONTRACT = """
init · serve · tenant add|list|suspend|close · agent add|revoke · wallet show · ledger export · reward add|list ·
codes import · redeem · redemption list|refund · partner list|pause|reconcile · budget set · finance close|export ·
verify
"""
"""The commands that others build on: more may come, none of these goes or is called otherwise."""
OWNERS = ("audit list", "partner add", "reward")
"""What may concern all campuses, and so be asked of `*`."""
WORDS = {"public_key": "a" * 64, "file": "-"} | dict.fromkeys(("comment", "no", "per_day", "seq"), "1")
"""What is typed for arguments that are looked at before any campus is."""
BESIDES = {"entry accept": ("--all",)}


@pytest.fixture
def operator(tmp_path: Path, catalogue_file: Path) -> Operator:
    shutil.copy(catalogue_file, tmp_path / "catalogue.db")
    made = Operator(tmp_path)
    made.types("init")
    made.types("tenant", "add", CAMPUS)
    return made


def of_a_campus(campus: str) -> Iterator[list[str]]:
    """Every command that is typed for a campus, typed for this one."""
    for name, command in every_command():
        whose = next((param.name for param in command.params if param.name in {"campus", "owner"}), None)
        if whose is not None and name != "tenant add":
            yield [*name.split(), *_asked(command.params, whose, campus), *BESIDES.get(name, ())]


def _asked(params: list[Any], whose: str, campus: str) -> Iterator[str]:
    """Words for what a command must be told, and the campus."""
    for param in params:
        if param.name == whose or param.required:
            if param.param_type_name == "option":
                yield param.opts[0]
            yield campus if param.name == whose else WORDS.get(param.name, "x")


def test_the_commands_that_others_build_on_are_there() -> None:
    promised = set()
    for group in CONTRACT.split("·"):
        *first, last = group.split()
        promised |= {" ".join([*first, name]) for name in last.split("|")}
    assert len(promised) == 23
    assert promised - {name for name, _ in every_command()} == set()


def test_a_campus_that_is_not_there_is_never_believed(operator: Operator) -> None:
    before = operator.asks("audit", "list")
    commands = list(of_a_campus("nowhere"))
    assert len(commands) > 50
    for words in commands:
        assert "there is no campus nowhere" in operator.types(*words, code=1, stdin=""), words
    assert operator.asks("audit", "list") == before
    assert operator.asks("partner", "list") == []


def test_all_campuses_together_are_no_campus_but_own_rewards_and_partners(operator: Operator) -> None:
    for words in of_a_campus("*"):
        if not " ".join(words).startswith(OWNERS):
            assert "there is no campus *" in operator.types(*words, code=1, stdin=""), words
    operator.types("reward", "label", "*", "brand", "acme")
    operator.types("partner", "add", "acme", "https://partner.example/orders", "--owner", "*")
    assert {row["act"] for row in operator.asks("audit", "list", "*")} == {"label.put", "partner.add"}


def test_a_reward_on_the_shelf_tells_the_command_that_approves_it_and_no_placeholder(operator: Operator) -> None:
    tea = ("tea", "--title", "Tea", "--price", "points=5")
    told = [operator.types("reward", "add", owner, *tea) for owner in (CAMPUS, "*")]
    assert told[0].endswith(f"approve it: rewards-catalogue reward approve {CAMPUS} tea\n")
    assert told[1].endswith("each campus approves it: rewards-catalogue reward approve CAMPUS tea\n")


def test_links_that_wait_beside_somebody_lost_tell_the_command_that_lets_go_of_the_lost(operator: Operator) -> None:
    for name, agent in (("ann-old", "agent-1"), ("ann-new", "agent-1"), ("ann-b", "agent-2")):
        key = {"agent-1": "ab", "agent-2": "cd"}[agent] * 32
        operator.types("agent", "add", CAMPUS, key) if name != "ann-new" else None
        operator.sql(f"INSERT INTO person_tag VALUES ('{CAMPUS}', '{agent}', '{name}', 'email', 'one', 0, 'key')")
    operator.given(7, "ann-new")
    others = '["ann-new", "ann-old"]'
    operator.sql(f"INSERT INTO link_held VALUES ('{CAMPUS}', 'ann-b', 'agent-2', '{others}', 'two people', 5)")
    told = operator.types("wallet", "links", CAMPUS, "--held")
    assert "ann-old                    agent-1      has no wallet: where rewards-agent learner show ann-old" in told
    program, *words = shlex.split(told.splitlines()[-1])
    assert (program, operator.types(*words)) == ("rewards-catalogue", "ann-old is forgotten\n")
    found = operator.asks("wallet", "links", CAMPUS)
    assert ([row["name"] for row in found["linked"]], found["held"], found["lost"]) == (["ann-b", "ann-new"], [], [])
    assert operator.asks("audit", "list", CAMPUS)[0]["after"] == {"wallet.unlink": {"forgotten": "ann-old"}}


def test_doctor_names_the_campuses_at_which_something_waits(operator: Operator) -> None:
    operator.types("tenant", "add", "south")
    for campus, key in (("south", "ab"), (CAMPUS, "cd")):
        operator.types("agent", "add", campus, key * 32)
    operator.sql("UPDATE agent SET created_at = 5 WHERE campus = 'south'")
    operator.set_aside(1, "a newer kind")
    told = operator.types("doctor")
    assert "agents: 1 of 2 were not heard for a day: south (1) [agents-silent]" in told
    assert "rewards-catalogue agent list south says which; call the campus" in told
    assert f"entries: 1 is set aside: {CAMPUS} (1) [entries-set-aside]" in told


def test_a_campus_is_for_production_or_staging_and_nothing_else(operator: Operator) -> None:
    """A campus of `--environment prod` was made, and its agent, which is of production, could never enrol."""
    refused = operator.types("tenant", "add", "north", "--environment", "prod", code=2)
    assert "'prod' is not one of 'production', 'staging'" in refused
    assert "north" not in operator.types("tenant", "list")
    operator.types("tenant", "add", "north", "--environment", "staging")


def test_the_list_of_acts_says_times_as_times_and_json_as_they_are_kept(operator: Operator) -> None:
    operator.types("token", "add", CAMPUS, "bi", "--scope", "ledger:read")
    operator.types("token", "revoke", CAMPUS, "bi")
    told = operator.types("audit", "list", CAMPUS, "--act", "token.revoke")
    assert re.search(r"revoked_at null → \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", told)
    (kept,) = operator.asks("audit", "list", CAMPUS, "--act", "token.revoke")
    assert isinstance(next(iter(kept["after"].values()))["revoked_at"], int)


def test_a_point_between_thousands_makes_no_one_of_a_thousand(operator: Operator) -> None:
    """A limit of `1.000` a day was one of 1, and everything a campus earned was set aside."""
    refused = operator.types("issue", "limit", CAMPUS, "1.000", code=2)
    assert "Invalid value for 'PER_DAY': write a whole number, without a point" in refused
    assert operator.types("issue", "show", CAMPUS) == "nothing was issued\n"


def test_a_file_that_is_not_there_and_a_key_that_is_none_are_told_with_what_to_do(
    operator: Operator, tmp_path: Path
) -> None:
    lost, strange = tmp_path / "lost.txt", tmp_path / "latin.txt"
    strange.write_bytes(b"caf\xe9\n")
    assert "check the path" in operator.types("codes", "import", CAMPUS, "books", str(lost), code=1)
    assert "save it as UTF-8" in operator.types("codes", "import", CAMPUS, "books", str(strange), code=1)
    assert "rewards-agent key show" in operator.types("agent", "add", CAMPUS, "zz", code=1)
