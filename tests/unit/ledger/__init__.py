"""Tests of the ledger, room by room, each on a real file."""
