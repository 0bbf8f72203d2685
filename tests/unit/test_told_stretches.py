"""How much of the log one look reads, however many rows ask about it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.collectors.states.told import STRETCHES_MAX, packed
from agent.engine.sighting import untold

ENDS = st.tuples(st.integers(0, 1_000), st.integers(0, 90)).map(lambda one: (one[0], sum(one)))


@given(ends=st.lists(ENDS, max_size=120), most_s=st.integers(1, 70))
def test_looks_read_each_second_that_is_asked_about_once_and_never_more_than_so_many_at_once(
    ends: list[tuple[int, int]], most_s: int
) -> None:
    stretches = untold.whole(ends)
    looks = list(packed(stretches, most_s))
    read = [second for look in looks for first, last in look for second in range(first, last + 1)]
    assert read == [second for first, last in stretches for second in range(first, last + 1)]
    assert all(0 < sum(last - first + 1 for first, last in look) <= most_s for look in looks)
    assert all(len(look) <= STRETCHES_MAX for look in looks)
    assert all(len(look) == STRETCHES_MAX or sum(b - a + 1 for a, b in look) == most_s for look in looks[:-1])
