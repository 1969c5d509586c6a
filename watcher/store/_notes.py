"""What the memory store keeps beside the outbox: history, verdicts, throttle marks, silences.

Law: like `watcher.store.memory`, of which it is a part: no method awaits anything.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from watcher.records import (
    HistoryEntry,
    RuleResult,
    Settlement,
    StoredSilence,
    Suppressed,
    ThrottleMark,
)
from watcher.store._memory_outbox import Outbox

__all__ = ["Notes"]


class Notes:
    """A part of `MemoryStore`."""

    def __init__(self) -> None:
        self._outbox = Outbox()
        self._history: dict[str, list[HistoryEntry]] = {}
        self._verdicts: dict[str, tuple[RuleResult, ...]] = {}
        self._marks: dict[tuple[str, str, str], ThrottleMark] = {}
        self._silences: dict[str, StoredSilence] = {}
        self._suppressed: dict[str, Suppressed] = {}

    async def history(self, keys: Collection[str]) -> Sequence[HistoryEntry]:
        return [entry for key in sorted(keys) for entry in self._history.get(key, ())]

    async def verdicts(self, events: Collection[str]) -> Mapping[str, Sequence[RuleResult]]:
        return {id_: self._verdicts[id_] for id_ in events if id_ in self._verdicts}

    async def marks(
        self, receiver: str, wanted: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], ThrottleMark]:
        found = {pair: self._marks.get((receiver, *pair)) for pair in wanted}
        return {
            pair: mark for pair, mark in found.items() if mark is not None and self._counts(mark)
        }

    async def silences(self) -> Sequence[StoredSilence]:
        return sorted(self._silences.values(), key=lambda one: (one.starts, one.id))

    async def add_silence(self, silence: StoredSilence) -> None:
        self._silences[silence.id] = silence

    async def expire_silence(self, silence: str, now: datetime) -> bool:
        found = self._silences.get(silence)
        if found is None or found.ends <= now:
            return False
        self._silences[silence] = replace(found, ends=now)
        return True

    async def suppressed(self) -> Mapping[str, Suppressed]:
        return dict(self._suppressed)

    def _counts(self, mark: ThrottleMark) -> bool:
        """Whether what left the mark went out, or is about to."""
        sent = self._outbox.get(mark.delivery)
        return sent is None or sent.delivery.state not in ("dead", "cancelled")

    def _remark(self, marks: Iterable[ThrottleMark]) -> None:
        for mark in marks:
            self._marks[mark.receiver, mark.rule, mark.by] = mark

    def _tell(self, entry: HistoryEntry) -> None:
        self._history.setdefault(entry.key, []).append(entry)

    def _count(self, outcome: Settlement) -> None:
        """Count what a silence has stopped."""
        if outcome.silence and outcome.settled is not None:
            before = self._suppressed.get(outcome.silence)
            count = before.count + 1 if before is not None else 1
            self._suppressed[outcome.silence] = Suppressed(count, outcome.settled)

    def _forget_notes(self, deliveries: datetime, events: Collection[str]) -> None:
        """Let go of what belongs to nothing any more."""
        self._history = {key: told for key, told in self._history.items() if key in self._outbox}
        self._verdicts = {id_: said for id_, said in self._verdicts.items() if id_ in events}
        self._marks = {key: one for key, one in self._marks.items() if one.until >= deliveries}
        self._silences = {id_: one for id_, one in self._silences.items() if one.ends >= deliveries}
