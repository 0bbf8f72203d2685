"""DECIDE: a pure fold of a page of events over state; no clock, disk, network, log or randomness."""
