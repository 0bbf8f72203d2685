"""Secrets that systemd hands over (`LoadCredential=`): to the service, and to who types a command as its account."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

RUNNING = Path("/run/credentials")
"""Where systemd keeps what it handed to each unit that runs, readable for that unit's account alone."""


def handed(units: str) -> Sequence[Path]:
    """Directories with secrets for us: our own, else those of running services whose name fits ``units`` (a glob).

    Only those that this account may enter count, and root, who may enter all, gets none: of several campuses on one
    machine each has an account of its own, and nobody reads another's secret by chance.
    """
    given = os.environ.get("CREDENTIALS_DIRECTORY")
    if given:
        return [Path(given)]
    if os.geteuid() == 0:
        return []
    return [one for one in sorted(RUNNING.glob(units)) if os.access(one, os.R_OK | os.X_OK, effective_ids=True)]
