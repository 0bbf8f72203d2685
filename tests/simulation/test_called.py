"""Whoever sends forms is somebody, in the simulator and on the long day alike."""

from __future__ import annotations

import json

import pytest

from sim.called import account, learner_of
from sim.moodle import LEARNERS, Form, form_post
from soak.moodle import LEARNERS as OF_THE_LONG_DAY


@pytest.mark.parametrize("learner", [*LEARNERS, min(OF_THE_LONG_DAY), max(OF_THE_LONG_DAY)])
def test_a_form_is_sent_by_the_one_whose_account_it_is(learner: int) -> None:
    form = Form(1, learner, 1_788_800_400)
    assert f"forms:{json.loads(form_post(form))['user']['id']}" == form.account == account("forms", learner)
    assert learner_of(form.account) == learner
