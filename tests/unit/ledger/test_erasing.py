"""What an erasure does to acts in which others took part, and to what others' rows say of whoever is gone."""

from __future__ import annotations

from dataclasses import replace

import orjson

from agent.arriving.spared import spared
from agent.engine import trust
from agent.ledger.privacy.clearing import Clearing
from agent.ledger.record import together
from agent.ledger.record.erased import Erased, mark_of
from agent.model import Event, Trust
from tests.builders import an_observation

KEY = b"k" * 32
ANN = ("moodle", "35")
GONE = Erased(key=KEY, spans={mark_of(KEY, ANN): (0, None)})
READMITTED = Erased(key=KEY, spans={mark_of(KEY, ANN): (0, 1_000)})


def an_act(at: int = 500, **people: str) -> Event:
    seen = replace(an_observation(people=people), occurred_at=at, facts={"roles:35": ("student",), "word_count": 7})
    return trust.tag(seen, Trust.server_verified)


def test_an_act_of_the_erased_is_left_out_and_one_of_others_is_as_it_was() -> None:
    mine, theirs = an_act(subject="35", actor="35"), an_act(subject="36", actor="36")
    assert spared([mine, theirs], GONE) == [theirs]
    assert spared([mine, theirs], Erased()) == [mine, theirs]


def test_an_act_of_another_in_which_the_erased_took_part_goes_on_without_them_under_another_id() -> None:
    act = an_act(subject="36", actor="35")
    (left,) = spared([act], GONE)
    assert left.seen.people == {"subject": "36"}
    assert left.seen.facts == {"word_count": 7}
    assert left.seen.natural_key == ()
    assert left.event_id == GONE.of_event(act.event_id) != act.event_id
    assert spared([an_act(subject="36", actor="35")], GONE) == [left], "read again it is the same act"


def test_what_was_done_to_the_erased_is_nobodys() -> None:
    assert spared([an_act(subject="35", actor="36")], GONE) == []


def test_after_readmission_only_what_was_before_is_left_out() -> None:
    before, after = an_act(at=999, subject="35"), an_act(at=1_000, subject="35")
    assert spared([before, after], READMITTED) == [after]
    assert READMITTED.was(ANN, 999)
    assert not READMITTED.was(ANN, 1_000)
    assert not READMITTED.bars_now(ANN)


def test_a_mark_says_nothing_without_the_key() -> None:
    other = Erased(key=b"x" * 32, spans=GONE.spans)
    assert GONE.bars_now(ANN)
    assert not other.bars_now(ANN)
    assert b"35" not in mark_of(KEY, ANN)


def test_which_accounts_were_erased_together_is_opened_by_the_key_and_one_of_them_alone() -> None:
    both = (ANN, ("school", "U-99"))
    kept = together.sealed(KEY, ANN, both)
    assert together.opened(KEY, ANN, kept) == both
    assert together.opened(KEY, ("moodle", "36"), kept) == ()
    assert together.opened(b"x" * 32, ANN, kept) == ()
    assert together.opened(KEY, ANN, "no box") == together.opened(KEY, ANN, "") == ()
    assert len(kept) == len(together.sealed(KEY, ANN, (ANN,))), "its length tells nothing either"


def clearing() -> Clearing:
    return Clearing.of(GONE, (ANN,), {b"\1" * 32: b"\2" * 32})


def test_scopes_and_pairs_of_others_forget_the_person_and_nothing_else() -> None:
    called = f"moodle:{GONE.called(ANN)}"
    assert clearing().scope("lesson=moodle:35|subject=moodle:35") == f"lesson=moodle:35|subject={called}"
    assert clearing().scope("subject=moodle:350") == "subject=moodle:350"
    assert clearing().bucket("check:fair:pair:60s", "moodle:35@7") == f"{called}@7"
    assert clearing().bucket("once:x", "lesson=moodle:35") == "lesson=moodle:35"
    assert clearing().scope("event=" + "01" * 32) == "event=erased-" + "02" * 16


def test_a_promise_to_another_loses_the_persons_uses_and_keeps_count_of_what_it_reserves() -> None:
    uses = [
        ["limit:r", "d", "moodle:35", 1, 1, -1],
        ["budget:p", "w", "", 1, 5, -1],
        ["once:r", "subject=moodle:35", "moodle:36", 1, 1, 0],
    ]
    left = orjson.loads(clearing().promise(orjson.dumps({"p": [["points", 5]], "u": uses, "r": 2})))
    assert left["r"] == 1
    assert left["u"] == [uses[1], ["once:r", f"subject=moodle:{GONE.called(ANN)}", "moodle:36", 1, 1, 0]]


def test_of_an_act_that_stays_for_others_only_the_persons_part_goes() -> None:
    said = {
        "e": "x",
        "w": {"subject": "36", "actor": "35"},
        "v": "file",
        "f": {"roles:35": [], "reply_to": "35", "n": 35},
    }
    left = orjson.loads(clearing().payload(orjson.dumps({**said, "pm": {"35": "staff"}}), "moodle"))
    assert (left["w"], left["f"], left["pm"]) == ({"subject": "36"}, {"n": 35}, {})
    assert orjson.loads(clearing().payload(orjson.dumps(said), "elsewhere"))["w"] == said["w"]


def test_what_a_condition_saw_of_the_person_goes_and_a_number_that_looks_like_them_stays() -> None:
    checks = [["reply_to =35", 1, "35"], ["word_count >=20", 1, "35"]]
    left = orjson.loads(clearing().detail(orjson.dumps({"c": checks}), "moodle") or b"")
    assert left["c"] == [["reply_to =35", 1, ""], ["word_count >=20", 1, "35"]]
