"""Trust is what the evidence is worth, lowered by ceilings and claims; identity is the fact's."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from agent.engine import trust
from agent.model import Evidence, Trust
from tests.rule_stories import event

WORTH = [
    (Evidence.database_row, Trust.server_verified),
    (Evidence.signature, Trust.trusted_source),
    (Evidence.bearer_token, Trust.trusted_source),
    (Evidence.web_service, Trust.trusted_source),
    (Evidence.address, Trust.client_reported),
    (Evidence.nothing, Trust.unverified),
]


@pytest.mark.parametrize(("evidence", "worth"), WORTH)
@pytest.mark.parametrize("ceiling", list(Trust))
def test_evidence_earns_its_trust_up_to_the_ceiling_of_the_source(
    evidence: Evidence, worth: Trust, ceiling: Trust
) -> None:
    seen = replace(event().seen, evidence=evidence)
    assert trust.tag(seen, ceiling).trust is min(worth, ceiling)


@pytest.mark.parametrize("ceiling", list(Trust))
def test_a_page_is_tagged_as_each_of_its_observations_would_be(ceiling: Trust) -> None:
    seen = [replace(event().seen, evidence=evidence, site=site) for evidence, _ in WORTH for site in ("moodle", "b")]
    assert trust.tag_all(seen, ceiling) == [trust.tag(each, ceiling) for each in seen]


def test_a_claim_can_only_lower() -> None:
    seen = event().seen
    assert trust.tag(seen, Trust.server_verified, claim=Trust.unverified).trust is Trust.unverified
    posted = replace(seen, evidence=Evidence.nothing)
    assert trust.tag(posted, Trust.server_verified, claim=Trust.server_verified).trust is Trust.unverified


@pytest.mark.parametrize("evidence", list(Evidence))
@pytest.mark.parametrize("claim", list(Trust))
def test_evidence_that_a_sender_lowers_is_worth_what_it_says_and_never_more(evidence: Evidence, claim: Trust) -> None:
    left = trust.lowered(evidence, claim)
    assert trust.EARNED[left] is min(trust.EARNED[evidence], claim)


def test_an_identity_is_the_hash_of_the_site_and_the_natural_key_as_a_list() -> None:
    expected = hashlib.sha256(b'["moodle","a","\xc3\xa9"]').digest()
    assert trust.event_id("moodle", ("a", "é")) == expected
    assert trust.event_id("m", ("1", "23")) != trust.event_id("m", ("12", "3"))
    assert trust.event_id("m", ('1","2',)) != trust.event_id("m", ("1", "2"))


def test_the_same_fact_through_another_source_of_the_site_has_the_same_identity() -> None:
    seen = event().seen
    posted = replace(seen, source="trigger", evidence=Evidence.bearer_token, position=99)
    assert trust.tag(posted, Trust.trusted_source).event_id == trust.tag(seen, Trust.server_verified).event_id
    elsewhere = replace(seen, site="other")
    assert trust.tag(elsewhere, Trust.server_verified).event_id != trust.tag(seen, Trust.server_verified).event_id
