"""The newest backup that counted: remembered beside the ledger, so that somebody is told when none is made any more."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE_NAME = "backup.last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """When it was made (seconds UTC), where it was put, and how many entries it holds."""

    made_at: int
    place: str
    entries: int

    @property
    def is_there(self) -> bool:
        """Whether it still lies where it was put, as far as this account may see; one that was moved does not."""
        with contextlib.suppress(PermissionError):
            return Path(self.place).exists()
        return True


def remember(data_dir: Path, last: Last) -> None:
    """Keep which copy was the last that counted.

    Raises:
        OSError: the directory of the ledger cannot be written.
    """
    path = data_dir / FILE_NAME
    fresh = path.with_suffix(".partial")
    fresh.write_text(json.dumps(asdict(last)) + "\n", encoding="utf-8")
    fresh.chmod(0o600)
    fresh.replace(path)


def remembered(data_dir: Path) -> Last | None:
    """Which copy was the last that counted; None where none is remembered, or not in a form that can be read."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        found = Last(**json.loads((data_dir / FILE_NAME).read_text(encoding="utf-8")))
        if isinstance(found.made_at, int) and isinstance(found.place, str):
            return found
    return None
