"""What `doctor` knows: every fault by its code, with its meaning and remedy."""

from __future__ import annotations

from collections.abc import Iterator

from agent.cli.setup.looks.faults import GROUPS
from catalogue.health import findings

_HEAD = """# Everything doctor can find

`rewards-agent doctor` looks at everything the agent depends on and changes nothing; it may be run at any time, also
while the agent runs. Each finding says what was found and what to do. Its exit code is 0 where nothing failed (a `look`
is no failure), 1 where the machine or the network must cure it, 2 where an edit must, 3 where somebody must look at a
history that is not what it was.

```console
$ rewards-agent doctor
$ rewards-agent doctor --json
```

With `--json` each finding has a `code`, empty where all is well. Codes do not change between versions, so that a
monitor can act on them; messages may. Run it as the agent's own user, who sees what the agent sees:
`runuser -u rewards-agent -- rewards-agent doctor`.
"""


_CATALOGUE = """
## At the catalogue

`rewards-catalogue doctor` looks at the catalogue in the same way, also while its servers run: at its keys, its disk,
its database, its server where it tells how it is (`status_listen`), and at what waits for somebody in the books.

| code | means | first do |
|---|---|---|
"""


def doctor_page() -> str:
    """The page, as Markdown."""
    return "\n".join((_HEAD.rstrip(), *_groups())) + "\n"


def _groups() -> Iterator[str]:
    for title, faults in GROUPS.items():
        yield f"\n## {title}\n"
        yield "| code | means | first do |\n|---|---|---|"
        for code, fault in faults.items():
            yield f"| `{code}` | {fault.means} | {fault.do} |"
    yield _CATALOGUE.rstrip()
    for code, known in findings.FAULTS.items():
        yield f"| `{code}` | {known.means} | {known.do} |"
