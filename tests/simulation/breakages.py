"""Ways to break the watcher on purpose, each a few lines put in the place of production code.

Law: `broken(name)` undoes what it did. A simulation that does not notice is no proof of anything:
`BREAKAGES` names a seed that finds each one, and

    python -m tests.simulation --breakages [--only NAME] [--seed S] [--seeds N]

looks for seeds anew: how many are needed, from S on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from watcher import mapping
from watcher.dispatcher import Dispatcher
from watcher.errors import SourceError, SourceRefused
from watcher.model import Result
from watcher.poller import desk, sweep
from watcher.poller.desk import Desk
from watcher.poller.poll import PollWalk
from watcher.poller.sweep import SweepWalk
from watcher.poller.sweeping import Sweeping
from watcher.poller.verify import Verification
from watcher.records import Commit

from .plan import Plan, draw
from .verdict import Verdict

__all__ = ["BREAKAGES", "broken", "noticed", "search"]

Patch = tuple[Any, str, Any]
deciding = importlib.import_module("watcher.pipeline.decide")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def _baseline_of_one_page() -> list[Patch]:
    """The first page that can be read ends the baseline."""
    step = SweepWalk.step

    async def broken_step(self: SweepWalk, desk: Desk) -> bool:
        over = await step(self, desk)
        return over or desk.state.baselined is None

    return [(SweepWalk, "step", broken_step)]


def _baseline_by_restart() -> list[Patch]:
    """What a killed process had read of the baseline is taken for all of it."""
    opened = Desk.open

    async def broken_open(self: Desk) -> None:
        await opened(self)
        if self.state.baselined is None and self.present:
            now = self.clock()
            changes = {"baselined": now, "baseline_started": now, "polled": now, "swept": now}
            await self.announce("baselined", reason="read before", since=now, **changes)

    return [(Desk, "open", broken_open)]


def _failed_page_ends_the_walk() -> list[Patch]:
    """A page that fails is taken for the end of the list, and the walk for whole."""
    page = Sweeping.page

    async def broken_page(self: Sweeping) -> SweepWalk | None:
        walk = self.walk
        try:
            return await page(self)
        except SourceRefused:
            raise
        except SourceError:
            if walk is None or not walk.pages:
                raise
        self.walk = None
        await self._conclude(walk)
        return walk

    return [(Sweeping, "page", broken_page)]


def _absence_is_deletion() -> list[Patch]:
    """A row that a sweep lacks is deleted; nobody asks."""

    async def look_up(self: Verification, desk: Desk, key: str) -> None:
        await self._remove(desk, key, "deleted", desk.clock(), desk.clock())
        self._leave(key, undecided=False)

    return [(Verification, "_look_up", look_up)]


def _hold_is_ignored() -> list[Patch]:
    """However many rows a sweep lacks, they are gone; small absences are looked up as ever."""
    judge, ask = sweep.judge_absences, Verification._look_up

    def judge_absences(*args: Any, **kwargs: Any) -> Any:
        verdict = judge(*args, **kwargs)
        if verdict.hold is None:
            return verdict
        ids = verdict.hold.ids
        return dataclasses.replace(verdict, hold=None, verify=ids, from_hold=frozenset(ids))

    async def look_up(self: Verification, desk: Desk, key: str) -> None:
        if key not in self.from_hold:
            await ask(self, desk, key)
            return
        await self._remove(desk, key, "unknown", desk.clock(), desk.clock())
        self._leave(key, undecided=False)

    return [(sweep, "judge_absences", judge_absences), (Verification, "_look_up", look_up)]


def _refusal_is_lost_access() -> list[Patch]:
    """A look-up that is answered 401 or 403 proves that the conversation is gone."""
    ask = Verification._look_up

    async def look_up(self: Verification, desk: Desk, key: str) -> None:
        try:
            await ask(self, desk, key)
        except SourceRefused:
            await self._remove(desk, key, "access_lost", desk.clock(), desk.clock())
            self._leave(key, undecided=False)

    return [(Verification, "_look_up", look_up)]


def _id_from_content() -> list[Patch]:
    """The event's id knows nothing of how many there were."""
    derive = deciding.derive_id

    def derive_id(*parts: Any) -> str:
        return derive(*(parts[:5] if len(parts) == 6 else parts))

    return [(deciding, "derive_id", derive_id)]


def _older_answers_count() -> list[Patch]:
    """A row is believed although it was asked for before it was last observed."""
    decide = desk.decide

    def broken_decide(watch: Any, state: Any, known: Any, rows: Any, look: Any) -> Any:
        older = {
            key: dataclasses.replace(snapshot, observed=LONG_AGO) for key, snapshot in known.items()
        }
        return decide(watch, state, older, rows, look)

    return [(desk, "decide", broken_decide)]


def _absent_is_null() -> list[Patch]:
    """A field that a row does not show is empty."""
    decide = desk.decide
    empty: dict[str, Any] = {"unread": False, "archived": False, "labels": ()}

    def broken_decide(watch: Any, state: Any, known: Any, rows: Any, look: Any) -> Any:
        whole = [
            dataclasses.replace(
                row,
                fields={
                    **{
                        path: empty.get(path)
                        for path in (known[row.id].seen if row.id in known else ())
                    },
                    **row.fields,
                },
            )
            for row in rows
        ]
        return decide(watch, state, known, whole, look)

    return [(desk, "decide", broken_decide)]


def _events_after_snapshots() -> list[Patch]:
    """Snapshots are one transaction, their events the next."""
    commit = Desk.commit

    async def broken_commit(self: Desk, change: Commit) -> None:
        if change.events and change.snapshots:
            await commit(self, dataclasses.replace(change, events=(), deliveries=()))
            change = Commit(change.source, events=change.events, deliveries=change.deliveries)
        await commit(self, change)

    return [(Desk, "commit", broken_commit)]


def _recorded_before_sent() -> list[Patch]:
    """A delivery is written down as done, then it is sent."""

    async def attempt(self: Any, message: Any) -> bool:
        notice = self._words.notice(message, self._ground.clock())
        await self._settling.settle(message, notice.event.id, Result("ok"))
        await self.plan.notifier.send(notice)
        return True

    return [(Dispatcher, "_attempt", attempt)]


def _no_order() -> list[Patch]:
    """Later deliveries of a conversation do not wait for one that failed."""
    from watcher.store import _queries

    strict = "patience"
    assert f":{strict}" in _queries.ELIGIBLE
    return [(_queries, "ELIGIBLE", _queries.ELIGIBLE.replace(f":{strict}", f"min(:{strict}, 1)"))]


def _watermark_first() -> list[Patch]:
    """A poll moves its watermark when it begins, not when it has ended."""
    run = PollWalk.run

    async def broken_run(self: PollWalk, desk: Desk) -> None:
        before = desk.state
        started = desk.provider_now()
        try:
            await run(self, desk)
        except SourceError:
            newest = max(filter(None, (before.newest, started)), default=None)
            await desk.save(force=True, newest=newest, polled=started)
            raise

    return [(PollWalk, "run", broken_run)]


def _no_sweeps() -> list[Patch]:
    """After the baseline only polls look."""

    async def page(self: Sweeping) -> SweepWalk | None:
        if self._desk.state.baselined is None:
            return await original(self)
        self.walk = None
        return None

    original = Sweeping.page
    return [(Sweeping, "page", page)]


def _mapping_is_news() -> list[Patch]:
    """A field that is mapped differently is a change of every conversation."""
    return [(mapping, "differing", lambda *args: frozenset())]


def _clock_is_trusted() -> list[Patch]:
    """The provider's clock is taken to be ours."""
    return [(Desk, "provider_now", lambda self: self.clock())]


def _accounts_mixed() -> list[Patch]:
    """Another account under the same name goes on with the old one's snapshots."""
    opened = Desk.open

    async def broken_open(self: Desk) -> None:
        stored = await self.store.source(self.plan.name)
        account = self.plan.provider.account
        if stored is not None and stored.account != account:
            moved = dataclasses.replace(stored, account=account)
            await self.store.commit(Commit(self.plan.name, moved))
        await opened(self)

    return [(Desk, "open", broken_open)]


def _position_after_crash() -> list[Patch]:
    """A sweep goes on where a killed process's ended, and counts as whole."""
    left: dict[str, Any] = {}
    begin, step = SweepWalk.begin.__func__, SweepWalk.step  # type: ignore[attr-defined]

    def resumed(cls: type[SweepWalk], desk: Desk) -> SweepWalk:
        walk: SweepWalk = begin(cls, desk)
        walk.position = left.pop(desk.plan.provider.account, walk.position)
        return walk

    async def kept(self: SweepWalk, desk: Desk) -> bool:
        over = await step(self, desk)
        left[desk.plan.provider.account] = self.position
        if over:
            del left[desk.plan.provider.account]
        return over

    return [(SweepWalk, "begin", classmethod(resumed)), (SweepWalk, "step", kept)]


def _message_facts_ignored() -> list[Patch]:
    """Nobody looks at the ids of messages: what it says tells a new one."""
    absorb = Desk.absorb

    async def broken_absorb(self: Desk, rows: Any, *args: Any, **kwargs: Any) -> Any:
        rows = [dataclasses.replace(row, message_id=None) for row in rows]
        return await absorb(self, rows, *args, **kwargs)

    return [(Desk, "absorb", broken_absorb)]


def _any(plan: Plan) -> bool:
    return True


def _chatwoot(plan: Plan) -> bool:
    return any(s.kind == "chatwoot" for s in plan.sources)


def _paged(plan: Plan) -> bool:
    return any(s.rows > s.pages_of for s in plan.sources)


def _paged_and_mortal(plan: Plan) -> bool:
    return plan.deaths > 0 and _paged(plan)


def _paged_and_faulty(plan: Plan) -> bool:
    return any(s.rows > s.pages_of and s.errors > 0.02 for s in plan.sources)


def _paged_and_slow(plan: Plan) -> bool:
    return any(
        s.kind == "leadping" and s.rows > s.page_size and s.latency[1] > 40 for s in plan.sources
    )


def _lying(plan: Plan) -> bool:
    return any(s.lies > 0 for s in plan.sources)


def _refusing(plan: Plan) -> bool:
    return any(s.errors > 0.04 and s.kind != "leadping" for s in plan.sources)


def _mortal(plan: Plan) -> bool:
    return plan.deaths > 0


def _bad_receiver(plan: Plan) -> bool:
    return plan.receiver_errors > 0.1


def _polled_and_faulty(plan: Plan) -> bool:
    return any(
        s.kind == "chatwoot" and s.errors > 0 and s.sweep_every > 2 * s.poll_every
        for s in plan.sources
    )


def _keyless(plan: Plan) -> bool:
    return any(w.kind == "keys" for w in plan.windows)


def _remapped(plan: Plan) -> bool:
    return any(turn.kind == "mapping" for turn in plan.turns) and any(
        s.kind == "chatwoot" for s in plan.sources
    )


def _skewed(plan: Plan) -> bool:
    return plan.skew > 0


def _moved(plan: Plan) -> bool:
    return any(turn.kind == "account" for turn in plan.turns)


@dataclasses.dataclass(frozen=True)
class Breakage:
    """How to break it; which plans can notice at all; a seed that does, and its days."""

    patch: Callable[[], list[Patch]]
    wants: Callable[[Plan], bool]
    seed: int
    days: float = 0.15


BREAKAGES: dict[str, Breakage] = {
    "baseline of one page": Breakage(_baseline_of_one_page, _paged, 17),
    "baseline by restart": Breakage(_baseline_by_restart, _paged_and_mortal, 7),
    "failed page ends the walk": Breakage(_failed_page_ends_the_walk, _paged_and_faulty, 17),
    "absence is deletion": Breakage(_absence_is_deletion, _lying, 17),
    "hold is ignored": Breakage(_hold_is_ignored, _lying, 18),
    "refusal is lost access": Breakage(_refusal_is_lost_access, _refusing, 23),
    "id from content": Breakage(_id_from_content, _any, 18),
    "older answers count": Breakage(_older_answers_count, _paged_and_slow, 2, 0.2),
    "absent is null": Breakage(_absent_is_null, _keyless, 27),
    "events after snapshots": Breakage(_events_after_snapshots, _mortal, 1, 0.2),
    "recorded before sent": Breakage(_recorded_before_sent, _bad_receiver, 8),
    "no order": Breakage(_no_order, _bad_receiver, 8),
    "watermark first": Breakage(_watermark_first, _polled_and_faulty, 23, 0.2),
    "no sweeps": Breakage(_no_sweeps, _any, 17),
    "mapping is news": Breakage(_mapping_is_news, _remapped, 18),
    "clock is trusted": Breakage(_clock_is_trusted, _skewed, 8),
    "accounts mixed": Breakage(_accounts_mixed, _moved, 17),
    "position after crash": Breakage(_position_after_crash, _paged_and_mortal, 7),
    "message facts ignored": Breakage(_message_facts_ignored, _chatwoot, 7),
}


@contextlib.contextmanager
def broken(name: str) -> Iterator[None]:
    """Break the watcher in this way for a while."""
    patches = BREAKAGES[name].patch()
    before = [(where, what, getattr(where, what)) for where, what, _ in patches]
    for where, what, value in patches:
        setattr(where, what, value)
    try:
        yield
    finally:
        for where, what, value in before:
            setattr(where, what, value)


def noticed(verdict: Verdict) -> list[str]:
    """Give what the oracle says; a watcher that merely crashes is no subtle breakage."""
    crashed = any("the daemon crashed" in text for text in verdict.wrong)
    return [] if crashed else verdict.wrong


def search(first: int, seeds: int, only: str | None, days: float) -> int:
    """Look for seeds that notice each breakage; 1 when one went unnoticed. Seeds whose plans lack
    what a breakage needs are passed over, and counted.
    """
    from .trial import try_seed

    unnoticed = 0
    for name in [only] if only else BREAKAGES:
        began, tried = time.monotonic(), 0
        for seed in range(first, first + seeds):
            if not BREAKAGES[name].wants(draw(seed, days)):
                continue
            tried += 1
            with broken(name):
                verdict = try_seed(seed, days)
            if wrong := noticed(verdict):
                passed = f"{seed - first + 1 - tried} passed over, {tried} tried"
                told = f"{name}: found by seed {seed} ({passed}, {time.monotonic() - began:.0f} s)"
                print(f"{told}: {wrong[0][:200]}", flush=True)
                break
        else:
            unnoticed += 1
            print(f"{name}: unnoticed by {seeds} seeds ({tried} tried)", flush=True)
    return 1 if unnoticed else 0
