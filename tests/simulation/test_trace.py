"""What a run leaves behind can be compared with what another left, whatever directory each lay in."""

from __future__ import annotations

from pathlib import Path

from sim.trace import Trace


def test_a_trace_says_nothing_of_where_the_files_of_its_run_lay() -> None:
    told = []
    for place in ("/one/sim-a", "/another/sim-b"):
        trace = Trace(Path(place))
        trace.say(f"no backup: there is no ledger in {place}/agent.1/data yet")
        told.append(trace.text())
    assert told[0] == told[1]
    assert "/agent.1/data" in told[0]
