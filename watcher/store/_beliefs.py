"""What the memory store believes of sources, conversations and receivers.

Law: like `watcher.store.memory`, of which it is a part: no method awaits anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from watcher.model import IdSet, Snapshot
from watcher.records import ReceiverState, SourceState
from watcher.store._matching import is_member

__all__ = ["Beliefs"]


class Beliefs:
    """A part of `MemoryStore`."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, SourceState] = {}
        self._receivers: dict[str, ReceiverState] = {}
        self._snapshots: dict[str, dict[str, Snapshot]] = {}

    async def source(self, name: str) -> SourceState | None:
        return self._sources.get(name)

    async def sources(self) -> Sequence[SourceState]:
        return [self._sources[name] for name in sorted(self._sources)]

    async def known(self, source: str, ids: Collection[str]) -> Mapping[str, Snapshot]:
        stored = self._snapshots.get(source, {})
        return {id_: stored[id_] for id_ in ids if id_ in stored}

    async def present_ids(self, source: str) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(id_ for id_, snapshot in stored.items() if snapshot.present)

    async def ids_in_set(self, source: str, name: IdSet) -> Collection[str]:
        stored = self._snapshots.get(source, {})
        return frozenset(
            id_
            for id_, snapshot in stored.items()
            if snapshot.present and is_member(snapshot, name)
        )

    async def receivers(self) -> Mapping[str, ReceiverState]:
        return {name: self._receivers[name] for name in sorted(self._receivers)}

    async def save_receiver(self, state: ReceiverState) -> None:
        self._receivers[state.name] = state
