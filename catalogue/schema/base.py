"""What all tables belong to, and the newest migration that this program knows."""

from __future__ import annotations

from sqlalchemy import MetaData

REVISION = "0027"
"""The newest migration this program knows."""

metadata = MetaData()
COUNTED = {"counted": True}
"""Of a column that servers count up while others act: no act tells of it."""
