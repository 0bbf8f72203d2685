"""A TOML file with the place of everything in it, and the faults that point there."""

from agent.config.document.faults import Fault, FaultsError, MisfitError
from agent.config.document.file import Document, load, made_for_us, parse, readable_to_us, shown, unwritten
from agent.config.document.positions import KeyPath, NotTomlOneError, Place, positions
from agent.config.document.salvage import salvage
from agent.config.document.schema import known_keys, nearest
from agent.config.document.validation import Table, examine, hung, validate
from agent.config.document.words import quoted

__all__ = [
    "Document",
    "Fault",
    "FaultsError",
    "KeyPath",
    "MisfitError",
    "NotTomlOneError",
    "Place",
    "Table",
    "examine",
    "hung",
    "known_keys",
    "load",
    "made_for_us",
    "nearest",
    "parse",
    "positions",
    "quoted",
    "readable_to_us",
    "salvage",
    "shown",
    "unwritten",
    "validate",
]
