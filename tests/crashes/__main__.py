"""`python -m tests.crashes`: kill the real program as often as asked and print the account.

Exit status 1 with the discrepancy when anything was lost, doubled, invented or damaged; the folder
with store, log and configuration is kept then.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from .trial import attempt


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crashes", description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--conversations", type=int, default=60, help="of each of the four sources")
    parser.add_argument("--folder", type=Path, help="an empty folder to work in, kept afterwards")
    asked = parser.parse_args()
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="crashes-"))
    folder.mkdir(parents=True, exist_ok=True)

    def say(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    account = attempt(
        folder, kills=asked.kills, seed=asked.seed, conversations=asked.conversations, say=say
    )
    say(account.tell())
    if account.wrong:
        say(f"kept: {folder}")
    elif asked.folder is None:
        shutil.rmtree(folder)
    return 1 if account.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
