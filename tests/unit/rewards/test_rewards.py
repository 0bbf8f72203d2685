"""Descriptions, windows, periods, gates and checks."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest

from catalogue.errors import CatalogueError
from catalogue.redemption import checks
from catalogue.redemption.checks import Facts, Refusal, Wish
from catalogue.rewards import gates, money, sheet, shelf, times
from catalogue.rewards.gates import Standing
from catalogue.rewards.model import USUAL, Gate, Label, Reward, Window
from wire.money.terms import Level
from wire.money.tiers import Tier

NOON = int(dt.datetime(2026, 9, 9, 12, tzinfo=dt.UTC).timestamp())  # a Wednesday
HOUR = 3600


def a_reward(**changes: Any) -> Reward:
    return Reward.model_validate({"id": "tea", "title": "Tea", "price": {"points": 50}} | changes)


def facts(**changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "now": NOON,
        "approved": True,
        "campus_state": "active",
        "standing": Standing(balances={"points": 100, "badge:ace": 1}, earned={"points": 300}),
        "unspendable": (),
        "labels": {(one.kind, one.name): one for one in USUAL},
        "left": None,
        "used_by_learner": (),
        "used_in_all": (),
    }
    return Facts(**fields | changes)


def wish(**changes: Any) -> Wish:
    return Wish(**{"campus": "uni", "learner": "ann", "reward": "tea", "key": "k"} | changes)


def why(reward: Reward, **changes: Any) -> str:
    asked = changes.pop("asked", wish())
    refused = checks.refusal(asked, reward, facts(**changes))
    return "" if refused is None else refused.code


def test_a_plain_reward_can_be_had() -> None:
    assert why(a_reward()) == ""


@pytest.mark.parametrize(
    ("reward", "changes", "code"),
    [
        ({"state": "paused"}, {}, "inactive"),
        ({}, {"approved": False}, "not-approved"),
        ({}, {"campus_state": "suspended"}, "suspended"),
        ({}, {"campus_state": "closed"}, "closed"),
        ({"cohorts": ["pilot"]}, {}, "not-visible"),
        ({"cohorts": ["pilot"]}, {"asked": wish(cohorts=frozenset(("pilot",)))}, ""),
        ({"countries": ["GB"]}, {"asked": wish(country="FR")}, "country"),
        ({"countries": ["GB"]}, {}, "country"),
        ({"countries": ["GB"]}, {"asked": wish(country="GB")}, ""),
        ({"valid_from": NOON + 1}, {}, "not-yet"),
        ({"valid_from": NOON}, {}, ""),
        ({"valid_until": NOON}, {}, "over"),
        ({"window": {"days": ["mon"]}}, {}, "window"),
        ({"window": {"hours": "13:00-14:00"}}, {}, "window"),
        ({"window": {"hours": "13:00-14:00", "timezone": "Europe/London"}}, {}, ""),
        ({"tier": "gold"}, {}, "tier"),
        ({"tier": "silver"}, {}, ""),
        ({"tier": "platinum"}, {}, "tier"),
        ({"gate": {"badges": ["ace"]}}, {}, ""),
        ({"gate": {"badges": ["ace", "helper"]}}, {}, "gate"),
        ({"per_learner": [{"count": 2}]}, {"used_by_learner": (2,)}, "limit"),
        ({"per_learner": [{"count": 2}]}, {"used_by_learner": (1,)}, ""),
        ({"in_all": [{"count": 2, "per": "day"}]}, {"used_in_all": (2,)}, "limit-in-all"),
        ({"handing": "partner", "partner": "acme"}, {"partner_paused": True}, "partner-paused"),
        ({"stock": 3}, {"left": 0}, "stock"),
        ({"price": {"points": 5, "stars": 1}}, {}, "price"),
        ({"price": {"points": 5, "stars": 1}}, {"asked": wish(currency="stars")}, ""),
        ({}, {"asked": wish(currency="stars")}, "price"),
        ({}, {"unspendable": {"points"}}, "not-spendable"),
        ({"price": {"badge:ace": 1}}, {}, "not-spendable"),
    ],
)
def test_the_first_thing_that_stands_against_it_is_named(
    reward: dict[str, Any], changes: dict[str, Any], code: str
) -> None:
    assert why(a_reward(**reward), **changes) == code


@pytest.mark.parametrize(
    ("gate", "needed"),
    [
        (Gate(), []),
        (Gate(badges=("ace",)), []),
        (Gate(any_of=("ace", "a", "b"), any_count=2), ["1 more of the badges ace, a, b"]),
        (Gate(level="Scholar"), []),
        (Gate(level="Star"), ["the level Star"]),
        (Gate(level="Nobody knows"), ["the level Nobody knows"]),
        (Gate(earned={"points": 500, "stars": 1}), ["200 more points earned", "1 more stars earned"]),
    ],
)
def test_a_closed_gate_says_what_is_still_needed(gate: Gate, needed: list[str]) -> None:
    levels = (Level("Scholar", "points", 300), Level("Star", "points", 301))
    standing = Standing(balances={"badge:ace": 1}, earned={"points": 300}, levels=levels)
    assert gates.missing(gate, standing) == needed


def test_amounts_are_said_in_units_of_the_campuss_currency() -> None:
    standing = Standing(balances={}, earned={"credit": 225}, decimals={"credit": 2})
    assert gates.missing(Gate(earned={"credit": 300, "points": 2}), standing) == [
        "0.75 more credit earned",
        "2 more points earned",
    ]
    dear = a_reward(price={"credit": 250, "points": 5})
    assert checks.price(wish(), dear, standing) == Refusal("price", "say the currency: 2.50 credit or 5 points")


def test_what_only_the_campus_can_judge_is_never_open_here_and_says_so() -> None:
    standing = Standing(balances={"points": 5}, earned={"points": 900})
    tier = gates.told("gold", Tier(name="Gold", lifetime={"points": 800}, current={"points": 7}, on_campus=("a rule",)))
    assert gates.of_tier(tier, standing) == ["2 more points at once", "a rule (which only the campus can judge)"]
    asked = ["800 points earned in all", "7 points at once", "a rule (which only the campus can judge)"]
    assert gates.asked_of(tier, {}) == asked
    assert gates.asked_of(tier, {"points": 1})[:2] == ["80.0 points earned in all", "0.7 points at once"]
    strange = gates.told("gold", Tier(name="Gold", badges=("a;b",)))
    assert gates.of_tier(strange, standing) == ["what its rules ask (which only the campus can judge)"]


@pytest.mark.parametrize(
    ("window", "at", "is_open"),
    [
        (Window(), NOON, True),
        (Window(days=("wed",)), NOON, True),
        (Window(days=("wed",), timezone="Pacific/Auckland"), NOON, False),
        (Window(hours="12:00-13:00"), NOON, True),
        (Window(hours="11:00-12:00"), NOON, False),
        (Window(hours="22:00-06:00"), NOON + 11 * HOUR, True),
        (Window(hours="22:00-06:00", days=("wed",)), NOON + 17 * HOUR, True),
        (Window(hours="22:00-06:00", days=("thu",)), NOON + 17 * HOUR, False),
        (Window(hours="22:00-06:00"), NOON, False),
        (Window(hours="08:00-08:00"), NOON, True),
    ],
)
def test_a_window_is_open_in_its_own_time_zone(window: Window, at: int, *, is_open: bool) -> None:
    assert times.is_open(window, at) is is_open


def test_a_day_on_which_the_clock_shows_midnight_twice_has_one_beginning() -> None:
    """In Havana the hour after midnight of 1 November 2026 comes twice: at 04:00 and at 05:00 UTC."""
    midnight = int(dt.datetime(2026, 11, 1, 4, tzinfo=dt.UTC).timestamp())
    begins = {times.period_start("day", "America/Havana", midnight + late) for late in (1800, 5400, 9000)}
    assert begins == {midnight}


def test_a_period_begins_where_the_calendar_says() -> None:
    starts = {per: times.period_start(per, "Europe/London", NOON) for per in ("day", "week", "month", "year", "ever")}
    told = {per: dt.datetime.fromtimestamp(at, tz=dt.UTC).isoformat()[:16] for per, at in starts.items()}
    assert told == {
        "day": "2026-09-08T23:00",
        "week": "2026-09-06T23:00",
        "month": "2026-08-31T23:00",
        "year": "2026-01-01T00:00",
        "ever": "1970-01-01T00:00",
    }


def test_a_time_beyond_every_calendar_is_told_and_one_that_was_kept_is_read_as_the_last() -> None:
    """Milliseconds were taken for seconds; then no list could be written that had the reward in it."""
    with pytest.raises(CatalogueError, match=r"valid_until: .*milliseconds"):
        shelf.described({"id": "tea", "title": "Tea", "price": {"points": 50}, "valid_until": NOON * 1000})
    kept = json.dumps(json.loads(a_reward().model_dump_json()) | {"valid_from": NOON * 1000, "valid_until": 10**18})
    found = shelf.read(kept)
    assert sheet.cells(found)["valid_until"] == "9999-12-31T23:59:59Z"
    assert why(found) == "not-yet"


@pytest.mark.parametrize(("text", "minor"), [("4.5 GBP", 450), ("0.05 EUR", 5), ("12USD", 1200)])
def test_money_is_exact_and_comes_back_as_it_is_written(text: str, minor: int) -> None:
    found = money.parse(text)
    assert found.minor == minor
    assert money.parse(str(found)) == found


def test_every_fault_of_a_description_is_told_at_once() -> None:
    wrong = {
        "id": "Bad Id",
        "title": "",
        "price": {"points": 0},
        "cost": "lots",
        "countries": ["gb"],
        "valid_from": "2026-09-01",
        "window": {"timezone": "Mars", "hours": "8-9"},
        "colour": "red",
        "per_learner": [{"count": 0, "per": "fortnight"}],
    }
    with pytest.raises(CatalogueError) as caught:
        shelf.described(wrong)
    said = str(caught.value)
    for part in (
        "id: small letters",
        "title:",
        "price.points:",
        "cost: 'lots' is no amount of money",
        "countries.0: a country is two capital letters",
        "does not say its time zone",
        "'Mars' is no time zone",
        "hours are written as 08:00-18:00",
        "colour:",
        "per_learner.0.count",
        "per_learner.0.per",
    ):
        assert part in said


def test_what_cannot_be_shown_is_in_no_text_and_a_description_may_have_lines() -> None:
    wrong = {"title": "a\x00b", "description": "\x1b[1m", "image": "https://a/\x00", "gate": {"level": "a\nb"}}
    for name, value in wrong.items():
        with pytest.raises(CatalogueError, match=name):
            shelf.described({"id": "tea", "title": "Tea", "price": {"points": 50}} | {name: value})
    with pytest.raises(CatalogueError, match="title"):
        shelf.named({"kind": "tier", "name": "gold", "title": "a\x7fb"})
    assert a_reward(description="one\r\ntwo\tthree").description == "one\r\ntwo\tthree"


def test_what_was_kept_before_texts_were_looked_at_is_read_with_signs_in_their_place() -> None:
    old = {"id": "tea", "title": "a\x00\nb", "description": "c\x1b", "price": {"points": 50}}
    found = shelf.read(json.dumps(old))
    assert (found.title, found.description) == ("a\ufffd b", "c\ufffd")


@pytest.mark.parametrize(
    "changes",
    [
        {"handing": "partner"},
        {"partner": "acme"},
        {"handing": "codes", "stock": 3},
        {"valid_from": 10, "valid_until": 10},
        {"gate": {"any_of": ["a"], "any_count": 2}},
        {"price": {}},
    ],
)
def test_what_contradicts_itself_is_no_reward(changes: dict[str, Any]) -> None:
    with pytest.raises(CatalogueError):
        shelf.described({"id": "tea", "title": "Tea", "price": {"points": 50}} | changes)


def test_a_campuses_own_tier_is_reached_by_what_it_asks() -> None:
    own = Label(kind="tier", name="gold", title="Gold", gate=Gate(badges=("ace",)))
    assert why(a_reward(tier="gold"), labels={("tier", "gold"): own}) == ""
