"""The shelf, the desk and the partners as an operator types them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.operator import CAMPUS, Operator


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    typing = Operator(tmp_path / "c")
    typing.types("init")
    typing.types("tenant", "add", CAMPUS)
    return typing


def test_a_reward_is_put_on_the_shelf_redeemed_shown_used_and_refunded(operator: Operator, tmp_path: Path) -> None:
    tea = ("reward", "add", CAMPUS, "tea", "--title", "A cup of tea", "--price", "points=50", "--stock", "3")
    assert "approve it" in operator.types(*tea)
    assert "there already" in operator.types(*tea, code=1)
    assert "not approved" in operator.types("reward", "list", CAMPUS)
    operator.types("reward", "approve", CAMPUS, "tea")
    assert "there is less" in operator.types("reward", "list", CAMPUS, "--learner", "ann")
    assert "refused (balance)" in operator.types("redeem", CAMPUS, "ann", "tea", code=1)
    operator.given(500)
    assert "can be had" in operator.types("reward", "list", CAMPUS, "--learner", "ann")
    made = operator.asks("redeem", CAMPUS, "ann", "tea", "--key", "k1")
    assert operator.asks("redeem", CAMPUS, "ann", "tea", "--key", "k1") == made
    picture = tmp_path / "voucher.svg"
    shown = operator.types("redemption", "show", CAMPUS, made["redemption"], "--qr", str(picture))
    assert made["token"] in shown
    assert b"<svg" in picture.read_bytes()
    assert "is good for: A cup of tea" in operator.types("redemption", "use", made["token"], "--look")
    operator.types("redemption", "use", made["token"])
    assert "refused (used)" in operator.types("redemption", "use", made["token"], code=1)
    refund = ("redemption", "refund", CAMPUS, made["redemption"], "--reason", "cold")
    assert "refused (used)" in operator.types(*refund, code=1)
    assert "is refunded" in operator.types(*refund, "--used")
    (row,) = operator.asks("redemption", "list", CAMPUS, "--state", "refunded")
    assert "token" not in row
    assert operator.asks("wallet", "show", CAMPUS)[0]["balance"] == 500
    assert "stays in the books" in operator.types("reward", "remove", CAMPUS, "tea", code=1)
    operator.types("reward", "change", CAMPUS, "tea", "--state", "retired", "--set", "stock=")
    assert [one["stock"] for one in operator.asks("reward", "list", CAMPUS)] == [None]
    assert "refused (inactive)" in operator.types("redeem", CAMPUS, "ann", "tea", code=1)


def test_slips_of_the_pen_on_the_shelf_are_told(operator: Operator) -> None:
    """--set id put a reward in another's place; a price that nobody can ever have went onto the shelf in silence."""
    for name in ("tea", "pie"):
        told = operator.types("reward", "add", CAMPUS, name, "--title", name, "--price", "points=5")
        assert "note:" not in told, "no rules were told yet"
    assert "keeps its id" in operator.types("reward", "change", CAMPUS, "tea", "--set", "id=pie", code=1)
    assert [one["title"] for one in operator.asks("reward", "list", CAMPUS)] == ["pie", "tea"]
    assert "nothing is to be changed" in operator.types("reward", "change", CAMPUS, "tea", code=1)
    assert f"see: rewards-catalogue reward list {CAMPUS}" in operator.types("reward", "remove", CAMPUS, "tee", code=1)
    assert "see: rewards-catalogue reward export '*'" in operator.types("reward", "remove", "*", "tee", code=1)
    operator.sql(f"INSERT INTO currency VALUES ('{CAMPUS}', 'points', 'Points', 0, TRUE, '', NULL, 'owe')")
    told = operator.types("reward", "change", CAMPUS, "tea", "--set", "price=point=5")
    assert f"note: the rules of {CAMPUS} name no currency point (there are points)\n" in told


def test_days_the_wrong_way_round_and_months_to_come_are_told(operator: Operator) -> None:
    swapped = ("--from", "2026-12-01", "--until", "2026-11-01")
    for words in (("audit", "list"), ("ledger", "export", CAMPUS), ("kudos", "list", CAMPUS)):
        assert "is over before --from 2026-12-01 begins" in operator.types(*words, *swapped, code=1)
    for words in (("finance", "show"), ("finance", "export")):
        assert "9999-01 has not begun" in operator.types(*words, CAMPUS, "9999-01", code=1)
        assert "'2026-13' is no month" in operator.types(*words, CAMPUS, "2026-13", code=1)


def test_a_sheet_goes_in_whole_or_not_at_all_and_comes_out_again(operator: Operator, tmp_path: Path) -> None:
    sheet = tmp_path / "rewards.csv"
    sheet.write_text("id,title,price,brand,tier\ntea,Tea,points=50,acme,gold\npie,Pie,points=5,,\n", encoding="utf-8")
    told = operator.types("reward", "import", CAMPUS, str(sheet), code=1)
    assert "line 2, brand: there is no brand acme" in told
    assert operator.asks("reward", "list", CAMPUS) == []
    operator.types("reward", "label", CAMPUS, "brand", "acme", "--title", "Acme")
    assert "2 rewards are right" in operator.types("reward", "import", CAMPUS, str(sheet), "--check")
    assert operator.asks("reward", "list", CAMPUS) == []
    operator.types("reward", "import", CAMPUS, str(sheet))
    out = operator.types("reward", "export", CAMPUS)
    assert [(one["id"], one["price"]) for one in operator.asks("reward", "export", CAMPUS)] == [
        ("pie", {"points": 5}),
        ("tea", {"points": 50}),
    ]
    operator.types("reward", "import", "*", "-", stdin=out, code=1)
    operator.types("reward", "label", "*", "brand", "acme", "--title", "Acme")
    operator.types("reward", "import", "*", "-", stdin=out)
    assert len(operator.asks("reward", "list", CAMPUS)) == 4
    operator.types("reward", "label", CAMPUS, "tier", "gold", "--earned", "points=9", "--badges", "ace; helper")
    (gold,) = [one for one in operator.asks("reward", "labels", CAMPUS) if one["name"] == "gold"]
    assert gold["gate"]["badges"] == ["ace", "helper"]
    operator.types("reward", "label", CAMPUS, "tier", "gold", "--title", "Gold star")
    listed = operator.types("reward", "labels", CAMPUS)
    assert "Gold star  for 9 points earned in all, the badge ace, the badge helper\n" in listed, "the rest stays"
    operator.types("reward", "label", CAMPUS, "tier", "gold", "--badges", "")
    listed = operator.types("reward", "labels", CAMPUS)
    assert "Silver  for 200 points earned in all\n" in listed
    assert "Gold star  for 9 points earned in all\n" in listed
    assert "points=x" not in operator.types("reward", "label", CAMPUS, "tier", "x", "--earned", "points=x", code=1)


def test_codes_are_imported_once_and_bad_lines_are_told_without_the_code(operator: Operator) -> None:
    operator.types(
        "reward", "add", CAMPUS, "card", "--title", "Card", "--price", "points=100", "--handing", "codes", "--approve"
    )
    header = "code,expires_at\n"
    told = operator.types("codes", "import", CAMPUS, "card", "-", stdin=f"{header}SECRET,soon\n", code=1)
    assert "line 2, expires_at" in told
    assert "SECRET" not in told
    given = f"{header}C1,2099-01-01T00:00:00Z\nC2,\n"
    assert "2 codes, 2 new; 2 can be given out" in operator.types("codes", "import", CAMPUS, "card", "-", stdin=given)
    assert "3 codes, 1 new; 3 can be" in operator.types("codes", "import", CAMPUS, "card", "-", stdin="C1\nC2\nC3\n")
    operator.given(500)
    assert operator.asks("redeem", CAMPUS, "ann", "card")["code"] in {"C1", "C2", "C3"}


def test_codes_that_are_held_back_are_given_to_nobody_until_they_are_free_again(operator: Operator) -> None:
    operator.types(
        "reward", "add", CAMPUS, "card", "--title", "Card", "--price", "points=100", "--handing", "codes", "--approve"
    )
    codes = ("codes", "import", CAMPUS, "card", "-")
    operator.types(*codes, stdin="C1\nC2\nC3\n")
    told = operator.types("codes", "withdraw", CAMPUS, "card", "-", stdin="C2\nC9\n")
    assert told == "1 code is held back; 2 can be given out\n"
    assert "2 codes are held back; 0 can" in operator.types("codes", "withdraw", CAMPUS, "card")
    operator.given(500)
    assert "there are none left" in operator.types("redeem", CAMPUS, "ann", "card", code=1)
    assert "1 code, 0 new; 1 can be given out" in operator.types(*codes, stdin="C2\n")
    assert operator.asks("redeem", CAMPUS, "ann", "card")["code"] == "C2"
    assert "2 codes are free again; 2 can be given out" in operator.types("codes", "free", CAMPUS, "card")
    assert "1 code, 0 new; 2 can" in operator.types(*codes, stdin="C2\n"), "who has it keeps it"


def test_what_nobody_knows_is_settled_by_hand_or_by_a_statement(operator: Operator) -> None:
    assert "no partners" in operator.types("partner", "list")
    operator.types("partner", "add", "acme", "http://127.0.0.1:9/orders", "--title", "Acme")
    assert "no address" in operator.types("partner", "add", "other", "nowhere", code=1)
    operator.types(
        *("reward", "add", CAMPUS, "card", "--title", "Card", "--price", "points=100"),
        *("--handing", "partner", "--partner", "acme", "--approve"),
    )
    operator.given(500)
    first, second = (operator.asks("redeem", CAMPUS, "ann", "card")["redemption"] for _ in range(2))
    assert "2 waiting" in operator.types("partner", "list")
    assert "is fulfilled" in operator.types(
        "redemption", "settle", CAMPUS, first, "issued", "--code", "X1", "--reason", "they wrote"
    )
    assert "X1" in operator.types("redemption", "show", CAMPUS, first)
    statement = f"redemption,status,code\n{first},issued,X1\nr-nobody,issued,Y\n"
    told = operator.types("partner", "reconcile", "acme", "-", stdin=statement, code=3)
    assert "1 agreed, 0 fulfilled, 0 released" in told
    assert "r-nobody (line 3) is none of ours" in told
    operator.types("redemption", "cancel", CAMPUS, second, "--reason", "changed her mind")
    operator.types("partner", "pause", "acme")
    assert "refused (partner-paused)" in operator.types("redeem", CAMPUS, "ann", "card", code=1)
    operator.types("partner", "resume", "acme")
    assert operator.asks("partner", "list")[0]["state"] == "active"
    assert "no partner nobody" in operator.types("partner", "pause", "nobody", code=1)
    assert "no partner nobody" in operator.types("partner", "reconcile", "nobody", "-", stdin=statement, code=1)


WRONG = [
    (("redeem", "nowhere", "ann", "tea"), "no campus nowhere"),
    (("reward", "list", "nowhere"), "no campus nowhere"),
    (("reward", "add", "nowhere", "tea", "--title", "T", "--price", "points=5"), "no campus nowhere"),
    (("reward", "add", CAMPUS, "tea", "--title", "T", "--price", "five"), "price: 'five'"),
    (("reward", "add", CAMPUS, "tea", "--title", "T", "--price", "points=5", "--set", "x=1"), "is not column=cell"),
    (("reward", "change", CAMPUS, "tea"), "has no reward tea"),
    (("reward", "approve", CAMPUS, "tea"), "no reward tea"),
    (("reward", "import", CAMPUS, "/nowhere.csv"), "cannot be read"),
    (("codes", "import", CAMPUS, "tea", "-"), "no reward tea that is handed out as codes"),
    (("redemption", "list", CAMPUS, "--state", "gone"), "states are: reserved"),
    (("redemption", "show", CAMPUS, "r1"), "no redemption r1"),
    (("redemption", "refund", CAMPUS, "r1", "--reason", "x"), "no redemption r1"),
    (("redemption", "settle", CAMPUS, "r1", "perhaps", "--reason", "x"), "issued or declined"),
]
"""What is typed, and what is said to it."""


def test_what_an_operator_does_wrong_is_said_with_the_cure(operator: Operator) -> None:
    for words, said in WRONG:
        assert said in operator.types(*words, code=1, stdin="A\n"), words
