"""Reaching others over the network: who they are."""
