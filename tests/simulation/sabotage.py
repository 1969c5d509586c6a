"""What each breakage puts in the place of production code: a few lines, and where they go.

Rules: nothing is replaced here; `breakages` does that, and undoes it.
"""

from __future__ import annotations

import dataclasses
import importlib
from datetime import UTC, datetime
from typing import Any

import anyio

from watcher import mapping
from watcher.dispatcher import Dispatcher, outcomes
from watcher.errors import SourceError, SourceRefused
from watcher.model import Result
from watcher.pipeline import SourceReport, baseline, sweep, waiting
from watcher.pipeline.announce import StateUpdate
from watcher.pipeline.baseline import Sightings
from watcher.pipeline.sweep import Removal
from watcher.poller import SourcePoller, source
from watcher.poller import session as sessions
from watcher.poller.session import SourceSession
from watcher.poller.walks import LookUpRound, SweepWalk
from watcher.records import Commit, Settlement
from watcher.store import outbox

Patch = tuple[Any, str, Any]
"""The object, the name of its attribute, and what stands there instead."""

deciding = importlib.import_module("watcher.pipeline.decide")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def baseline_of_one_page() -> list[Patch]:
    """The first page that can be read ends the baseline."""
    step = source.step

    async def broken_step(walk: Any, fetch: Any, absorb: Any) -> None:
        await step(walk, fetch, absorb)
        if fetch.__self__.state.baselined is None:
            walk.position = None

    return [(source, "step", broken_step)]


def baseline_by_restart() -> list[Patch]:
    """What a killed process had read of the baseline is taken for all of it."""
    opened = SourceSession.open

    async def broken_open(self: SourceSession) -> None:
        await opened(self)
        if self.state.baselined is None and self.present:
            now = self.clock()
            changes = {"baselined": now, "baseline_started": now, "polled": now, "swept": now}
            report = SourceReport("baselined", "read before", now, changes=changes)
            await self.announce(report)

    return [(SourceSession, "open", broken_open)]


def failed_page_ends_the_walk() -> list[Patch]:
    """A page that fails is taken for the end of the list, and the walk for whole."""
    page = SourcePoller._sweep_page

    async def broken_page(self: SourcePoller) -> None:
        walk = self._walk
        try:
            await page(self)
        except SourceRefused:
            raise
        except SourceError:
            if walk is None or not walk.pages:
                raise
            self._walk = None
            await self._conclude(walk)

    return [(SourcePoller, "_sweep_page", broken_page)]


def absence_is_deletion() -> list[Patch]:
    """A row that a sweep lacks is deleted; nobody asks."""

    async def look_up(self: SourcePoller, look_ups: LookUpRound, key: str) -> None:
        await _gone(self, look_ups, key, "deleted")

    return [(SourcePoller, "_look_up_absent", look_up)]


async def _gone(poller: SourcePoller, look_ups: LookUpRound, key: str, reason: Removal) -> None:
    session = poller.session
    held = key in look_ups.wanted.from_hold
    await session.remove(key, reason, session.clock(), session.clock(), held=held)
    look_ups.settle(key, decided=True)


def hold_is_ignored() -> list[Patch]:
    """However many rows a sweep lacks, they are gone; small absences are looked up as ever."""
    compare, ask = sweep.compare, SourcePoller._look_up_absent

    def broken_compare(*args: Any, **kwargs: Any) -> sweep.Comparison:
        found = compare(*args, **kwargs)
        held = [e for e in found.effects if isinstance(e, SourceReport) and e.kind == "held"]
        if not held:
            return found
        ids = held[0].changes["hold"].ids
        update = StateUpdate({"suspects": ids, "held_suspects": ids}, force=True)
        effects = tuple(update if effect is held[0] else effect for effect in found.effects)
        look_ups = sweep.LookUpList(ids, from_hold=frozenset(ids))
        return dataclasses.replace(found, effects=effects, look_ups=look_ups)

    async def look_up(self: SourcePoller, look_ups: LookUpRound, key: str) -> None:
        if key in look_ups.wanted.from_hold:
            await _gone(self, look_ups, key, "unknown")
        else:
            await ask(self, look_ups, key)

    return [(sweep, "compare", broken_compare), (SourcePoller, "_look_up_absent", look_up)]


def refusal_is_lost_access() -> list[Patch]:
    """A look-up that is answered 401 or 403 proves that the conversation is gone."""
    ask = SourcePoller._look_up_absent

    async def look_up(self: SourcePoller, look_ups: LookUpRound, key: str) -> None:
        try:
            await ask(self, look_ups, key)
        except SourceRefused:
            await _gone(self, look_ups, key, "access_lost")

    return [(SourcePoller, "_look_up_absent", look_up)]


def id_from_content() -> list[Patch]:
    """The event's id knows nothing of how many there were."""
    derive = deciding.derive_id

    def derive_id(*parts: Any) -> str:
        return derive(*(parts[:5] if len(parts) == 6 else parts))

    return [(deciding, "derive_id", derive_id)]


def older_answers_count() -> list[Patch]:
    """A sweep's rows are decided once more as it ends, and are believed at once, although they were
    asked for before they were last observed.
    """
    decide, believe = sessions.decide, deciding.believe
    absorb, conclude = SourcePoller._absorb_swept, SourcePoller._conclude
    aged: set[str] = set()

    def broken_decide(watch: Any, state: Any, known: Any, rows: Any, look: Any) -> Any:
        aged.clear()
        aged.update(key for key, snapshot in known.items() if look.sent < snapshot.observed)
        older = {
            key: dataclasses.replace(snapshot, observed=LONG_AGO) for key, snapshot in known.items()
        }
        return decide(watch, state, older, rows, look)

    def broken_believe(old: Any, doubt: Any, row: Any, *args: Any, **times: Any) -> Any:
        return (row, None) if row.id in aged else believe(old, doubt, row, *args, **times)

    async def broken_absorb(self: SourcePoller, seen: Any) -> Any:
        vars(self._walk).setdefault("pages_seen", []).append(seen)
        return await absorb(self, seen)

    async def broken_conclude(self: SourcePoller, walk: SweepWalk) -> None:
        for seen in vars(walk)["pages_seen"] if self.session.state.baselined else ():
            await self.session.absorb(seen.page.rows, seen.response)
        await conclude(self, walk)

    return [
        (sessions, "decide", broken_decide),
        (deciding, "believe", broken_believe),
        (SourcePoller, "_absorb_swept", broken_absorb),
        (SourcePoller, "_conclude", broken_conclude),
    ]


def absent_is_null() -> list[Patch]:
    """A field that a row does not show is empty."""
    decide = sessions.decide
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

    return [(sessions, "decide", broken_decide)]


def events_after_snapshots() -> list[Patch]:
    """Snapshots are one transaction, their events the next."""
    commit = SourceSession.commit

    async def broken_commit(self: SourceSession, change: Commit) -> None:
        if change.events and change.snapshots:
            await commit(self, dataclasses.replace(change, events=(), deliveries=()))
            change = Commit(change.source, events=change.events, deliveries=change.deliveries)
        await commit(self, change)

    return [(SourceSession, "commit", broken_commit)]


def recorded_before_sent() -> list[Patch]:
    """A delivery is written down as done, then it is sent."""

    async def attempt(self: Any, message: Any, *, last: bool) -> bool:
        notice = self._renderer.notice(message, self._runtime.clock())
        await self._outcomes.settle(message, notice.event.id, Result("ok"))
        await self.plan.notifier.send(notice)
        return True

    return [(Dispatcher, "_attempt", attempt)]


def no_order() -> list[Patch]:
    """Later deliveries of a conversation do not wait for one that failed."""
    settled = outcomes.settle

    def aside(*args: Any, **kwargs: Any) -> Settlement:
        return dataclasses.replace(settled(*args, **kwargs), aside=True)

    return [(outcomes, "settle", aside)]


def watermark_first() -> list[Patch]:
    """A poll moves its watermark when it begins, not when it has ended: one that fails counts as one
    that has read everything.
    """
    poll = SourcePoller._poll

    async def broken_poll(self: SourcePoller) -> None:
        session = self.session
        before, began, at = session.state, session.clock(), anyio.current_time()
        try:
            await poll(self)
        except SourceError:
            newest = max(filter(None, (before.newest, began + session._skew_known())))
            await session.save(StateUpdate({"newest": newest, "polled": began}, force=True))
            self._lookback = dataclasses.replace(self._lookback, looked=at, settled=at)
            raise

    return [(SourcePoller, "_poll", broken_poll)]


def no_sweeps() -> list[Patch]:
    """After the baseline only polls look."""
    page = SourcePoller._sweep_page

    async def broken_page(self: SourcePoller) -> None:
        if self.session.state.baselined is None:
            await page(self)
        else:
            self._walk = None

    return [(SourcePoller, "_sweep_page", broken_page)]


def mapping_is_news() -> list[Patch]:
    """A field that is mapped differently is a change of every conversation."""
    return [(mapping, "differing", lambda *args: frozenset())]


def clock_is_trusted() -> list[Patch]:
    """The clock that dates the rows is taken to be ours."""
    return [
        (SourceSession, "provider_now", lambda self: self.clock()),
        (SourceSession, "told", lambda self, at: None),
        (Sightings, "started", lambda self, estimate: estimate),
        (Sightings, "top", None),
    ]


def accounts_mixed() -> list[Patch]:
    """Another account under the same name goes on with the old one's snapshots."""
    opened = SourceSession.open

    async def broken_open(self: SourceSession) -> None:
        stored = await self.store.source(self.plan.name)
        account = self.plan.provider.account
        if stored is not None and stored.account != account:
            moved = dataclasses.replace(stored, account=account)
            await self.store.commit(Commit(self.plan.name, moved))
        await opened(self)

    return [(SourceSession, "open", broken_open)]


def position_after_crash() -> list[Patch]:
    """A sweep goes on where a killed process's ended, and counts as whole."""
    left: dict[str, Any] = {}
    begin, take = SweepWalk.__init__, SweepWalk.take

    def resumed(self: SweepWalk, provider: Any, **more: Any) -> None:
        begin(self, provider, **more)
        self.position = left.pop(provider.account, self.position)

    def kept(self: SweepWalk, *page: Any) -> None:
        take(self, *page)
        left[self._provider.account] = self.position
        if self.position is None:
            del left[self._provider.account]

    return [(SweepWalk, "__init__", resumed), (SweepWalk, "take", kept)]


def message_facts_ignored() -> list[Patch]:
    """Nobody looks at the ids of messages: what it says tells a new one."""
    absorb = SourceSession.absorb

    async def broken_absorb(self: SourceSession, rows: Any, *args: Any, **kwargs: Any) -> Any:
        rows = [dataclasses.replace(row, message_id=None) for row in rows]
        return await absorb(self, rows, *args, **kwargs)

    return [(SourceSession, "absorb", broken_absorb)]


def torn_rows_are_told() -> list[Patch]:
    """What a row lost is believed at its first look."""
    return [(deciding, "believe", lambda old, doubt, row, parts, **times: (row, None))]


def failed_look_up_is_deletion() -> list[Patch]:
    """A look-up that is answered by an error, as in the midst of a deletion, proves that nothing is left."""
    ask = SourcePoller._look_up_absent

    async def look_up(self: SourcePoller, look_ups: LookUpRound, key: str) -> None:
        try:
            await ask(self, look_ups, key)
        except SourceRefused:
            raise
        except SourceError:
            await _gone(self, look_ups, key, "deleted")

    return [(SourcePoller, "_look_up_absent", look_up)]


def baseline_by_our_clock() -> list[Patch]:
    """The baseline began when our clock said so, whatever the clock says that dates the rows."""
    return [(baseline.Sightings, "started", lambda self, estimate: estimate)]


def greeting_is_an_answer() -> list[Patch]:
    """Whoever wrote an outbound message, a machine too, has answered."""
    author = waiting._author

    def broken_author(message: Any, row: Any) -> Any:
        outbound = message is not None and message.direction == "outbound"
        return "person" if outbound else author(message, row)

    return [(waiting, "_author", broken_author)]


def late_news_are_swallowed() -> list[Patch]:
    """An older row that comes into view joins silently, whatever is young in it."""
    return [(deciding, "late_appearance", lambda *args: ())]


def death_is_silent() -> list[Patch]:
    """A message that is given up is in the list of dead ones, and nobody is told."""

    async def nothing(*args: Any) -> None:
        return None

    return [(outcomes, "tell_of_dead", nothing)]


def end_is_forgotten() -> list[Patch]:
    """Who was told that a state lasts is not told that it is over."""
    return [(outbox, "_end_messages", lambda delivery: ())]


def failure_is_silent() -> list[Patch]:
    """A source that fails is written to the log file alone."""
    return [(SourcePoller, "_report", _report_without("failing"))]


def recovery_is_silent() -> list[Patch]:
    """What was told to fail is never told to work again."""
    return [(SourcePoller, "_report", _report_without("recovered"))]


def _report_without(kind: str) -> Any:
    report = SourcePoller._report

    async def broken_report(self: SourcePoller, told: SourceReport) -> None:
        if told.kind != kind:
            await report(self, told)

    return broken_report
