"""A trial: start the program, kill it, look at what it left, start it again; then the account.

Rules: the program is the real one, `python -m watcher run`, and nothing of it is replaced.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from anyio.from_thread import start_blocking_portal

from .blows import CREATION, MOMENTS, Life, grown
from .harness import Harness, wait_until
from .verdict import count, examine, judge, pending

__all__ = ["Account", "Trial", "attempt"]

CALM = 5.0
"""Seconds without a webhook after which none is expected: two sweeps."""

SETTLING = 240.0
"""Seconds that the last life gets until nothing is owed any more."""


@dataclass
class Account:
    """What a trial came to."""

    kills: Counter[str] = field(default_factory=Counter)
    under_way: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    checks: int = 0
    seconds: float = 0.0
    changes: int = 0
    facts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def tell(self) -> str:
        """Format it in lines for people."""
        facts, kills = self.facts, sum(self.kills.values())
        lines = [
            f"{kills} kills in {self.starts} starts, {self.seconds:.0f} s",
            "moments: " + ", ".join(f"{name} {n}" for name, n in self.kills.most_common()),
            "when it died: " + ", ".join(f"{name} {n}" for name, n in self.under_way.most_common()),
            f"{facts['requests']} requests, {self.changes} mutations, {facts['changes']} changes"
            f" to report, {facts['events']} events in the log",
            f"{facts['deliveries']} deliveries, {facts['arrivals']} webhooks taken, of them"
            f" {facts['repeats']} repeats; {facts['refused']} refused and {facts['cut']} cut by a"
            f" failing receiver, {facts['dead']} dead",
            f"{self.checks} stores examined after a kill (integrity, foreign keys)",
            *(f"WRONG: {line}" for line in self.wrong[:40]),
            "nothing lost, nothing twice, nothing invented" if not self.wrong else "FAILED",
        ]
        return "\n".join(lines)


class Trial:
    """One world and one store through many lives of the program."""

    def __init__(
        self, harness: Harness, *, kills: int, seed: int, say: Callable[[str], None]
    ) -> None:
        self.harness = harness
        self.account = Account()
        self._kills = kills
        self._chance = Random(seed)
        self._say = say
        self._log = harness.folder / "log.txt"

    def run(self) -> Account:
        """Kill as often as asked, let the last life finish, judge."""
        began = time.monotonic()
        first = max(2, self._kills // 12)
        for number in range(self._kills):
            young = number < first
            moments = CREATION if young else MOMENTS
            if young and number % 2 == 0 and not self.harness.ledger.arrivals:
                self._wipe()
            if number == first:
                self._life(grown)
                self.harness.changing = True
                continue
            self._life(moments[number % len(moments)])
            if self.account.wrong:
                break
        self._finish()
        self.account.seconds = time.monotonic() - began
        self._count()
        return self.account

    def _start(self) -> Life:
        self.account.starts += 1
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "watcher", "run", "--config", str(self.harness.config)],
                stdout=log,
                stderr=log,
                env={**os.environ, "NO_COLOR": "1"},
            )
        return Life(process, self.harness, self._chance)

    def _wipe(self) -> None:
        """Begin with no store again, while nobody was told of anything yet."""
        for path in self.harness.folder.glob("watcher.db*"):
            path.unlink()

    def _life(self, moment: Callable[[Life], str]) -> None:
        life = self._start()
        try:
            name = moment(life)
        finally:
            ledger = self.harness.ledger
            now = [
                *(["a request open"] if ledger.asking else []),
                *(["a webhook open"] if ledger.taking else []),
            ]
            ended = life.process.poll()
            life.process.kill()
            life.process.wait()
        if ended is None:
            self.account.kills[name] += 1
            self.account.under_way.update(now or ["neither open"])
        elif not (name == "stop" and ended == 0):
            self.account.wrong.append(f"the program ended by itself with {ended} ({name})")
        self.account.checks += 1
        if wrong := examine(self.harness.folder):
            self.account.wrong.append(f"the store after a kill ({name}): {wrong}")
        total = sum(self.account.kills.values())
        if total % 10 == 0:
            self._say(f"{total} kills, {len(self.harness.world.truth)} changes to report")

    def _finish(self) -> None:
        """One more life, until nothing is owed; then two sweeps more for what is invented late."""
        harness = self.harness
        harness.changing = False
        harness.failing = 0.1
        life = self._start()
        try:
            life.asks()
            self._say("the last life: waiting until nothing is owed")
            if not wait_until(lambda: not harness.owed(), SETTLING, 0.05):
                self.account.wrong.append(f"{len(harness.owed())} conversations never caught up")
            self._say("nothing is owed; waiting for what should not come")
            quiet = [time.monotonic(), len(harness.ledger.arrivals)]

            def calm() -> bool:
                if quiet[1] != len(harness.ledger.arrivals):
                    quiet[:] = [time.monotonic(), len(harness.ledger.arrivals)]
                return time.monotonic() - quiet[0] > CALM

            wait_until(calm, 60, 0.05)
            wait_until(lambda: not pending(harness.folder), 60, 0.5)  # timers that wait for a look
            life.process.send_signal(signal.SIGTERM)
            status = life.process.wait(15)
            if status:
                self.account.wrong.append(f"the last stop ended with {status}")
        finally:
            life.process.kill()
            life.process.wait()

    def _count(self) -> None:
        account, ledger = self.account, self.harness.ledger
        text = self._log.read_text(errors="replace")
        if "Traceback" in text or "internal error" in text:
            account.wrong.append(f"the log has a traceback: {self._log}")
        if wrong := examine(self.harness.folder):
            account.wrong.append(f"the store in the end: {wrong}")
        account.wrong += judge(self.harness)
        account.changes = self.harness.changes
        first = {(one.receiver, one.id) for one in ledger.arrivals}
        account.facts.update(
            requests=ledger.requests,
            changes=len(self.harness.world.truth),
            events=count(self.harness.folder, "events"),
            deliveries=count(self.harness.folder, "deliveries"),
            dead=count(self.harness.folder, "deliveries WHERE state = 'dead'"),
            arrivals=len(ledger.arrivals),
            repeats=len(ledger.arrivals) - len(first),
            refused=ledger.refused,
            cut=ledger.cut,
        )


def attempt(
    folder: Path,
    *,
    kills: int,
    seed: int,
    conversations: int = 60,
    lasting: bool = True,
    say: Callable[[str], None] = lambda _line: None,
) -> Account:
    """Run a whole trial in a folder and give its account; `lasting` adds a rule with `for`."""
    with start_blocking_portal() as portal:
        harness = Harness(folder, portal, seed=seed, conversations=conversations, lasting=lasting)
        account = Trial(harness, kills=kills, seed=seed, say=say).run()
        portal.start_task_soon(portal.stop, True)
    return account
