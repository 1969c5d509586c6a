"""One source's session: fetches a page, has it decided, commits it, and remembers.

Rules: the daemon's only code that calls a provider's `request` and `parse`. It decides nothing;
`watcher.pipeline` does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from typing import Any

import anyio
import anyio.lowlevel
import structlog

from watcher import mapping as fields
from watcher.catalogue.events import EVENT_TYPES
from watcher.clock import loop_time
from watcher.errors import Conflict, SourceError
from watcher.fingerprints import masked, withheld_row
from watcher.metrics import Metrics, MotionName
from watcher.model import Doubt, Event, Observation, Snapshot
from watcher.pipeline import (
    Decision,
    Sighting,
    SourcePolicy,
    SourceReport,
    announce_source,
    decide,
    remove,
    sanitize,
)
from watcher.pipeline.announce import Effect, StateUpdate
from watcher.pipeline.capabilities import learn, told_version
from watcher.pipeline.clocks import ClockEvidence
from watcher.pipeline.existing import LOOKS, first_look
from watcher.pipeline.sweep import Removal
from watcher.poller.answer_cache import AnswerCache, KnownAnswer
from watcher.poller.plan import SourcePlan
from watcher.poller.row_cache import RowCache
from watcher.poller.walks import Arrivals, Seen, broken_plugin
from watcher.providers import Page, Position, Response
from watcher.records import Commit, Hold, SourceState
from watcher.rules import Rule
from watcher.rules.existing import rules_that_look
from watcher.runtime import Runtime
from watcher.store import Snapshots
from watcher.vocabulary import moment

__all__ = ["UNCHANGED", "SourceSession"]

UNCHANGED = Decision(None)
"""What rows come to that show what they did the last time."""

SKEW_FROM = timedelta(seconds=5)
"""A `Date` header has whole seconds and is under way for a while; a smaller difference is ignored."""

SAVE_EVERY = timedelta(seconds=60)
"""How old the stored time of the last poll may grow while nothing changes."""

LOOKED_AT = 500
"""Conversations that rules with `existing` look at in one transaction."""

CONFLICTS = 5
"""How often one page is decided again because its rows changed in the store meanwhile."""


WARNED = 3
"""How often one warning is logged."""

WARNINGS = 1_000
"""Different warnings that are remembered; what comes on top is not logged."""


class Warnings:
    """Logs harmless oddities, each at most three times; all are counted."""

    __slots__ = (
        "_counts",
        "_log",
        "_metrics",
    )

    def __init__(self, metrics: Metrics, log: Any) -> None:
        self._metrics = metrics
        self._log = log
        self._counts: dict[str, int] = {}

    def row(self, complaint: str, like: str = "") -> None:
        """Warn that a row could not be read as the provider promises; those `like` it count as one."""
        if self._is_news(like or complaint):
            self._log.warning("a row could not be read as promised", complaint=complaint)

    def rules(self, failed: Sequence[tuple[str, str]]) -> None:
        """Warn of conditions (rule and problem) that could not be evaluated."""
        for rule, problem in failed:
            self._metrics.condition_failed(rule, problem)
            if self._is_news(f"{rule}: {problem}"):
                self._log.warning("a condition could not be evaluated", rule=rule, problem=problem)

    def _is_news(self, warning: str) -> bool:
        count = self._counts.get(warning, 0)
        if count >= WARNED or len(self._counts) >= WARNINGS:
            return False
        self._counts[warning] = count + 1
        return True


class SourceSession:
    """What polls, sweeps and look-ups of one source share: its state, its rows, its clock."""

    __slots__ = (
        "_admit",
        "_evidence",
        "_grown",
        "_keeps_texts",
        "_key",
        "_opening",
        "_publish",
        "_rules",
        "_saved",
        "_skew",
        "_told",
        "_torn",
        "_unknown",
        "_wake",
        "answers",
        "bytes",
        "clock",
        "counts",
        "doubted",
        "doubts",
        "last_full_look",
        "last_success",
        "log",
        "metrics",
        "opened",
        "plan",
        "present",
        "refused",
        "rows",
        "share",
        "skew",
        "state",
        "store",
        "warnings",
    )

    def __init__(self, plan: SourcePlan, runtime: Runtime) -> None:
        self.plan = plan
        self.store: Snapshots = runtime.store
        self.clock = runtime.clock
        self.metrics = runtime.metrics
        self.share = runtime.pages.share()
        self.counts = runtime.metrics.of_provider(plan.provider_name, EVENT_TYPES)
        self.last_success: datetime | None = None
        self.rows = RowCache()
        self.answers = AnswerCache()
        self.doubted: frozenset[str] = frozenset()
        self.doubts: dict[str, Doubt] = {}
        self.state = SourceState(plan.name, plan.provider_name, plan.provider.account)
        self.present = 0
        self.last_full_look = self._saved = self.clock()
        self.log = structlog.get_logger().bind(source=plan.name)
        self.bytes = 0
        self._grown = False  # since `bytes` was read
        self._unknown = False  # whether the store knows no row of the source
        self.refused = 0
        self._admit = runtime.admit
        self._rules = runtime.rules
        self._keeps_texts = runtime.keeps_texts
        self._key = b""
        self._publish = runtime.publish
        self._wake = runtime.wake
        self.skew: timedelta | None = None
        self._skew = timedelta(0)
        self._told: tuple[datetime, float] | None = None
        # A mapped field may be read from any part of a row, also from one that is missing.
        mapped = fields.targets(plan.mapping)
        torn = plan.provider.torn
        self._torn = {part: others | mapped for part, others in torn.items()} if mapped else torn
        self._evidence = ClockEvidence()
        self.warnings = Warnings(self.metrics, self.log)
        self.opened = False
        self._opening: anyio.Event | None = None

    @property
    def policy(self) -> SourcePolicy:
        """The configuration that decisions about this source need, as it is now."""
        return SourcePolicy(
            source=self.plan.name,
            provider=self.plan.provider_name,
            account=self.plan.provider.account,
            rules=self._rules(),
            unread_cap=self.plan.provider.unread_cap,
            torn=self._torn,
            people=self.plan.people,
            version=self.version,
            limits=self.plan.provider.limits,
            key=self._key,
            keeps_texts=self._keeps_texts,
            hold_rows=self.plan.hold_rows,
            hold_share=self.plan.hold_share,
        )

    @property
    def version(self) -> str | None:
        """The server's version, as it last told it."""
        return told_version(self.state.learned)

    async def open(self) -> None:
        """Load the stored state; another account or mapping is taken over silently."""
        name, provider = self.plan.name, self.plan.provider
        self._key = await self.store.key()
        stored = await self.store.source(name)
        fingerprint = fields.fingerprint(self.plan.mapping)
        if stored is None:
            self.state = dataclasses.replace(self.state, mapping=fingerprint)
        elif (stored.provider, stored.account) != (self.plan.provider_name, provider.account):
            self.log.info("another account under this name: a new baseline begins")
            await self._close(stored)
            self.state = dataclasses.replace(
                self.state, mapping=fingerprint, counts=self.state.counts
            )
            await self.commit(Commit(name, self.state, forget=True))
        else:
            self.state = stored
            if stored.mapping != fingerprint:
                forget_fields = fields.differing(stored.mapping, self.plan.mapping)
                state = dataclasses.replace(stored, mapping=fingerprint)
                await self.commit(Commit(name, state, forget_fields=forget_fields))
        provider.set_capabilities(self.state.learned)
        if self.state.polled is not None:  # what is new may have come while the daemon was down
            self.last_full_look = min(self.last_full_look, self.state.polled)
        self._unknown = stored is None
        if stored is not None:  # else the store knows no row of it either
            self.present = len(await self.store.present_ids(name))
            self.bytes = await self.store.size(name)
            self.doubts = dict(await self.store.doubts(name))
        self.opened = True
        if self._opening is not None:
            self._opening.set()

    async def wait_until_opened(self) -> None:
        """Wait until what is stored has been read."""
        if not self.opened:
            self._opening = self._opening or anyio.Event()
            await self._opening.wait()

    async def _close(self, former: SourceState) -> None:
        """Report the end of what was reported about another account and still lasts."""
        mine, self.state = self.state, former
        why = "another account is watched under this name"
        if (hold := former.hold) is not None:
            extra, changes = {"outcome": "discarded"}, {"hold": None}
            await self.announce(SourceReport("released", why, hold.since, "", extra, changes))
        if (trouble := former.failing) is not None:
            extra, changes = {"outcome": "replaced"}, {"failing": None}
            await self.announce(SourceReport("recovered", why, trouble.since, "", extra, changes))
        self.state = dataclasses.replace(mine, counts=self.state.counts)

    def provider_now(self) -> datetime:
        """Return the provider's time, as its last answer lets it be estimated."""
        return self.clock() + self._skew

    def told(self, at: float) -> datetime | None:
        """Return the time at a moment of the loop's clock by the clock that dates the rows, a second
        early at most; None where no answer has told it.
        """
        if self._told is None:
            return None
        clock, when = self._told
        return clock + timedelta(seconds=at - when)

    async def fetch(self, position: Position, *, urgent: bool, motion: MotionName) -> Seen:
        """Fetch and read one page; raises SourceError."""
        return await self._fetch(position, None, urgent=urgent, motion=motion)

    async def look(self, position: Position, *, urgent: bool, motion: MotionName) -> Seen:
        """Fetch one page as `fetch` does. One that says again what it said is not read again: it comes
        without its rows, which have been seen again; so it is for polls, which ask what is new.
        """
        known = self.answers.find(position)
        return await self._fetch(position, known, urgent=urgent, motion=motion)

    async def _fetch(
        self, position: Position, known: KnownAnswer | None, *, urgent: bool, motion: MotionName
    ) -> Seen:
        provider = self.plan.provider
        try:
            request = provider.request(position)
            asked = request if known is None else known.condition(request)
            if position != provider.about:  # who asks for a version does not wait for long
                await self.share.ask()
            response = await self.plan.send(asked, urgent=urgent)
            if known is not None and known.is_repeated(response):
                page = known.page
                self.rows.see_again(known.keys, response.sent)
            else:
                known = None
                await self.share.hold(len(response.body))
                page = self._withheld(sanitize(self._mapped(provider.parse(position, response))))
        except SourceError as error:
            self.counts.failed(motion, error)
            # A plug-in may quote any part of an answer; what follows is shown, logged and sent.
            error.reason, error.remedy = map(self.store.scrub, (error.reason, error.remedy))
            raise
        except Exception as error:  # a bug of one provider plug-in stops no other source
            self.counts.failed(motion, error)
            self.log.exception("the provider plug-in has a bug")
            raise broken_plugin(error) from error
        self.counts.answered(motion, (response.received - response.sent).total_seconds())
        self._note_answer(page, response, len(known.keys if known else page.rows))
        learned = learn(self.state.learned, page.capabilities)
        if learned is not self.state.learned:
            await self.commit(
                Commit(self.plan.name, dataclasses.replace(self.state, learned=learned))
            )
            self.answers.forget()
            provider.set_capabilities(learned)
        return Seen(page, response, repeated=known is not None)

    def _note_answer(self, page: Page, response: Response, rows: int) -> None:
        if response.date is not None:
            skew = response.date - response.received
            self.skew = skew
            self._skew = skew if abs(skew) > SKEW_FROM else timedelta(0)
        if page.clock is not None:
            self._told = page.clock, loop_time()
        self._evidence.hear(page, response)
        self._note_skew()
        self.last_success = response.received
        self.counts.rows.inc(rows)
        if page.unusable:
            self.counts.unusable.inc(page.unusable)
        for complaint in page.complaints:
            self.warnings.row(complaint)

    def _skew_known(self) -> timedelta:
        skew = self.state.skew
        return timedelta(0) if skew is None else timedelta(seconds=skew.seconds)

    def _note_skew(self) -> None:
        """Remember how far the provider's clock is from ours; it is stored with what is stored next."""
        found, known = self._evidence.skew, self.state.skew
        if found is None or (
            known is not None
            and known.told_by == found.told_by
            and abs(known.seconds - found.seconds) < SKEW_FROM.total_seconds()
        ):
            return
        self.state = dataclasses.replace(self.state, skew=found)

    def _see_moved(
        self, rows: Iterable[Observation], known: Mapping[str, Snapshot], sighting: Sighting
    ) -> None:
        for row in rows:
            at, snapshot = row.fields.get("last_activity_at"), known.get(row.id)
            was = snapshot.conversation.last_activity_at if snapshot is not None else None
            after = sighting.before.get(row.id)
            if at is not None and was is not None and after is not None and at > was:
                self._evidence.see_moved(at, after, sighting.received)
        self._note_skew()

    def _mapped(self, page: Page) -> Page:
        if self.plan.mapping is None:
            return page
        rows: list[Observation] = []
        for row in page.rows:
            mapped, problems = fields.apply(self.plan.mapping, self._masked(row))
            rows.append(mapped)
            for problem in problems:
                name = "".join(filter(str.isprintable, row.id[:60]))
                self.warnings.row(f"conversation {name}: {problem}", like=problem)
        return dataclasses.replace(page, rows=tuple(rows))

    def _masked(self, row: Observation) -> Observation:
        if self._keeps_texts or row.raw is None:
            return row
        message = row.fields.get("last_message")
        raw = masked(row.raw, message, self.plan.provider.words, self._key)
        return dataclasses.replace(row, raw=raw)

    def _withheld(self, page: Page) -> Page:
        """Return a page without what people wrote, where that is not to be kept."""
        if self._keeps_texts:
            return page
        return dataclasses.replace(
            page, rows=tuple(withheld_row(row, self._key) for row in page.rows)
        )

    async def absorb(
        self,
        rows: Sequence[Observation],
        response: Response,
        *,
        admit: bool = False,
        silent: bool = False,
        trusted: frozenset[str] = frozenset(),
        cursor: Mapping[str, Any] | None = None,
    ) -> Decision:
        """Have rows decided and committed; rows that show what they did the last time cost nothing, and
        come to `UNCHANGED` where there are no others.

        For `admit`, `silent` and `trusted` see `Sighting`. `cursor` are changes of the source's state
        that belong to these rows: they are stored in the same transaction, and only if there is one
        (see `save`).
        """
        latest = {row.id: row for row in rows}
        shown = frozenset(
            path
            for row in rows
            for path, value in row.fields.items()
            if value is not None and path not in row.absent
        )
        if self.doubted:
            self.doubted -= shown
        fresh = self.rows.fresh(latest.values(), response.sent)
        if not fresh:
            return UNCHANGED
        self.answers.forget()
        fresh = await self._within_bounds(fresh)
        ids = [row.id for row in fresh]
        for attempt in range(1, CONFLICTS + 1):
            known = {} if self._unknown else await self.store.known(self.plan.name, ids)
            sighting = Sighting(
                sent=response.sent,
                received=response.received,
                before={
                    **{key: snapshot.observed for key, snapshot in known.items()},
                    **self.rows.seen(ids),
                },
                previous=self.last_full_look,
                admit=admit,
                silent=silent,
                trusted=trusted | shown,
                doubted=self.doubted,
                decided=self.clock(),
                skew=self._skew_known(),
            )
            if attempt == 1:
                self._see_moved(fresh, known, sighting)
            decision = decide(self.policy, self.state, known, fresh, sighting)
            if decision.commit is None:
                break
            state = dataclasses.replace(self.state, **cursor) if cursor else None
            written = len(decision.commit.snapshots) + len(decision.commit.events)
            await self._admit(self.plan.name, len(response.body) * written // len(rows))
            try:
                await self.commit(dataclasses.replace(decision.commit, state=state))
                break
            except Conflict:  # a row changed in the store meanwhile: read again, decide again
                self._unknown = False
                if attempt == CONFLICTS:
                    raise
        if decision.vanished:
            self.doubted |= decision.vanished
        self.rows.keep((row for row in fresh if row.id in decision.agreed), response.sent)
        self.rows.forget(decision.torn)  # the next look decides, also one that shows what was known
        self.warnings.rules(decision.failed)
        if decision.late:
            noun = "conversation" if decision.late == 1 else "conversations"
            self.log.info(f"{decision.late} older {noun} became visible")
        return decision

    @property
    def bound(self) -> str:
        """What keeps the source from growing, nothing while it may."""
        if self.present >= self.plan.most_conversations:
            return f"`most_conversations` ({self.plan.most_conversations:,})"
        if self.bytes >= self.plan.most_bytes:
            return f"`most_bytes` ({self.plan.most_bytes:,} bytes)"
        return ""

    async def _within_bounds(self, rows: list[Observation]) -> list[Observation]:
        """Return rows without the unknown ones that are too many: those that are known go on."""
        if self._grown:
            self.bytes, self._grown = await self.store.size(self.plan.name), False
        room = 0 if self.bound else self.plan.most_conversations - self.present
        if len(rows) <= room:
            return rows
        known = await self.store.known(self.plan.name, [row.id for row in rows])
        kept = [row for row in rows if row.id in known]
        new = [row for row in rows if row.id not in known]
        if len(new) > room and not self.refused:
            self.log.warning("the source may not grow any more", bound=self.bound or room)
        self.refused += max(0, len(new) - room)
        return [*kept, *new[:room]]

    async def let_in(self, arrivals: Arrivals) -> None:
        """Have rows come in that were set aside because they have no creation time."""
        for row, seen in arrivals.values():
            await self.absorb([row], seen.response, admit=True)

    async def remove(
        self, key: str, reason: Removal, sent: datetime, received: datetime, *, held: bool
    ) -> None:
        """Record that a conversation is gone; raises Conflict where it was seen meanwhile."""
        snapshot = (await self.store.known(self.plan.name, [key]))[key]
        sighting = Sighting(
            sent=sent,
            received=received,
            before={key: snapshot.observed, **self.rows.seen([key])},
            previous=self.last_full_look,
        )
        decision = remove(self.policy, self.state, snapshot, reason, sighting, held=held)
        if decision.commit is not None:
            await self.commit(decision.commit)
        self.warnings.rules(decision.failed)

    async def snapshot(self, key: str) -> Snapshot | None:
        """Return what is stored of a conversation."""
        return (await self.store.known(self.plan.name, [key])).get(key)

    async def present_ids(self) -> frozenset[str]:
        """Return the conversations that are known and not removed."""
        return frozenset(await self.store.present_ids(self.plan.name))

    def seen_since(self, at: datetime, ids: AbstractSet[str]) -> frozenset[str]:
        """Return which of these conversations were seen by a request that was sent after `at`, by our
        clock, as far as remembered.
        """
        return frozenset(key for key, seen in self.rows.seen(ids).items() if seen > at)

    def looked_at_all(self, at: datetime) -> None:
        """Note that everything was looked at then."""
        self.last_full_look = at

    async def look_for_existing(self) -> None:
        """Have rules with `existing` that are new at this source look at what holds already."""
        rules = {rule.name: rule for rule in rules_that_look(self._rules())}
        if self.state.baselined is None or rules.keys() == set(self.state.existing):
            return
        new = [rule for name, rule in rules.items() if name not in self.state.existing]
        counts = self.state.counts
        if new:
            await self._look_for(new)
            counts = {**counts, LOOKS: counts.get(LOOKS, 0) + 1}
        # Cut off before this, the same look is made again, and starts nothing twice.
        state = dataclasses.replace(self.state, existing=tuple(sorted(rules)), counts=counts)
        await self.commit(Commit(self.plan.name, state))

    async def _look_for(self, rules: Sequence[Rule]) -> None:
        ids = sorted(await self.store.present_ids(self.plan.name))
        for start in range(0, len(ids), LOOKED_AT):
            known = await self.store.known(self.plan.name, ids[start : start + LOOKED_AT])
            snapshots = [known[key] for key in sorted(known)]
            commit, failed = first_look(self.policy, self.state, rules, snapshots, self.clock())
            self.warnings.rules(failed)
            if commit.events:
                await self.commit(commit)
            for receiver in {delivery.receiver for delivery in commit.deliveries}:
                self._wake(receiver)
            await anyio.lowlevel.checkpoint()

    async def carry_out(self, effects: Iterable[Effect]) -> None:
        """Record what was decided about the source, in this order."""
        for effect in effects:
            if isinstance(effect, StateUpdate):
                await self.save(effect)
            else:
                await self.announce(effect)

    async def commit(self, commit: Commit) -> None:
        """Write a commit, then publish its events."""
        recorded, hold = await self.store.commit(commit), self.state.hold
        if commit.snapshots or commit.forget or commit.forget_fields:
            self.answers.forget()
        if commit.state is not None:
            self.state = commit.state
            self._saved = self.clock()
        if commit.forget:
            self.rows.forget()
            self.present = 0
            self.doubts.clear()
        known = sum(s.present and s.revision == 1 for s in commit.snapshots)
        # A row of a removed conversation that is in doubt leaves it removed.
        gone = sum(not s.present and s.doubt is None for s in commit.snapshots)
        returned = sum(
            e.type == "conversation.created" and bool(e.data.get("returned")) for e in commit.events
        )
        self.present += known + returned - gone
        if commit.snapshots:
            self._unknown = False
        self._grown |= bool(known) or commit.forget
        for one in commit.snapshots:
            self.doubts.pop(one.conversation.id, None)
            if one.present and one.doubt is not None:
                self.doubts[one.conversation.id] = one.doubt
        if commit.forget_fields:
            self.rows.forget()
        if gone:
            self.rows.forget(s.conversation.id for s in commit.snapshots if not s.present)
        for item in recorded:
            self._count(item.event, hold)
        self._publish(recorded)

    def _count(self, event: Event, hold: Hold | None) -> None:
        """Count an event, and how late it is; `hold` is what was held before it."""
        self.counts.events[event.type].inc()
        if event.type == "source.released" and hold is not None:
            self.counts.holds[hold.kind, event.data["outcome"]].inc()
        if event.subject is None:
            return
        happened = moment(event)
        late = (event.time + self._skew - happened.at).total_seconds()
        if late > self.plan.sweep_every:
            self.counts.late.inc()
        if event.type == "conversation.message" and happened.known:
            self.counts.detection.observe(max(0.0, late))

    async def save(self, update: StateUpdate) -> None:
        """Change the state; write it when it matters or when the stored one has grown old."""
        state = dataclasses.replace(self.state, **update.changes)
        age = self.clock() - self._saved
        if update.force or not timedelta(0) <= age < SAVE_EVERY:  # negative: the clock was set back
            await self.commit(Commit(self.plan.name, state))
        else:
            self.state = state

    async def announce(self, report: SourceReport) -> None:
        """Record an event about the source together with the changes of its state."""
        commit, failed = announce_source(self.policy, self.state, report, now=self.clock())
        await self.commit(commit)
        self.warnings.rules(failed)
