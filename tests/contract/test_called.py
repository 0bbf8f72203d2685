"""What users are called, as every real database and the web services of a site tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.collectors.logstore.reading.called import names_of
from agent.collectors.moodlews.answers import USERS, Answers
from tests.integration.webservices.campus import hosted
from tests.integration.webservices.test_assignments import SUBMITTED
from tests.sites import Site, put

EVERYBODY = ["35", "36", "37", "38", "ann"]


def people(site: Site) -> None:
    """35 is there, 36 has no address, 37 is suspended, 38 was deleted."""
    for number, (name, mail, suspended, deleted) in enumerate(
        (("ann", "Ann@Example.org", 0, 0), ("ben", "", 0, 0), ("cid", "c@x", 1, 0), ("dan", "d@x", 0, 1)), start=35
    ):
        put(site, "user", id=number, username=name, email=mail, suspended=suspended, deleted=deleted)


async def test_who_is_there_and_not_suspended_has_a_name(site: Site) -> None:
    people(site)
    assert await names_of(site.options(), "username", EVERYBODY) == {"35": "ann", "36": "ben"}
    assert await names_of(site.options(), "email", EVERYBODY) == {"35": "Ann@Example.org"}
    assert await names_of(site.options(), "email", ["ann"]) == {}
    site.execute("DROP TABLE mdl_user")
    assert await names_of(site.options(), "email", EVERYBODY) is None, "what cannot be read is not known"


@pytest.mark.parametrize("cleaned", [True, False])
async def test_web_services_tell_the_same_although_they_refuse_to_speak_of_who_was_deleted(
    tmp_path: Path, cleaned: bool
) -> None:
    async with hosted(tmp_path, SUBMITTED) as at:
        at.web.moods.cleaned = cleaned
        at.site.execute("DELETE FROM mdl_user")
        people(at.site)
        answers = Answers(at.service, at.clock)
        assert await answers.names_of("username", EVERYBODY) == {"35": "ann", "36": "ben"}
        assert await answers.names_of("email", EVERYBODY) == {"35": "Ann@Example.org"}
        before = len(at.web.asked)
        at.web.moods.codes[USERS] = "accessexception"
        assert await Answers(at.service, at.clock).names_of("email", EVERYBODY) is None, "not in the service"
        assert len(at.web.asked) == before + 1, "what is refused as a whole is asked for once"
