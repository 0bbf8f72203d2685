"""`python -m bench [NAME …] [--quick]`: run all benchmarks or the named ones, and write bench/RESULTS.md."""

from __future__ import annotations

import argparse
from importlib import import_module

from machine.interpreter import at_work

NAMES = ("engine", "ledger", "sync", "catchup", "postgres", "simulate", "idle", "door", "csv", "centre", "queries")


def main() -> None:
    """Run them one after another; each is alone on the machine as far as this process can say.

    The interpreter is set as our programs set it, for the bare limits too.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(NAMES)}; all when left out"
    )
    parser.add_argument("--quick", action="store_true", help="smaller and once: shows that it runs, proves nothing")
    chosen = parser.parse_args()
    unknown = set(chosen.names) - set(NAMES)
    if unknown:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    for name in chosen.names or NAMES:
        print(f"— {name}")
        bench = import_module(f"bench.bench_{name}")
        with at_work():
            bench.main(quick=chosen.quick)


if __name__ == "__main__":
    main()
