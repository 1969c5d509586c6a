"""Commands while no daemon is running: carried out on the store itself.

Rules: the store must be open as its owner, except for `status` and `silences`. What is written here
is what the next daemon reads.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

import structlog

from watcher.clock import Clock, wall_clock
from watcher.conditions import ExpressionError
from watcher.config.model import Config, Source
from watcher.control import SOMEBODY
from watcher.daemon.estimates import estimate_sources
from watcher.daemon.link_keys import LinkKeys
from watcher.dispatcher.silences import SilenceRegistry, acknowledge, take_back
from watcher.errors import grouped
from watcher.model import rfc3339
from watcher.pipeline import SourcePolicy, decide_hold
from watcher.pipeline.capabilities import told_version
from watcher.poller.request_plan import describe_plan
from watcher.records import DISK, OWN, Action, Actor, ReceiverState, SourceState, again, decided
from watcher.standing import Standing, counted, standings, worst
from watcher.store import Store

__all__ = ["OfflineControl"]


class OfflineControl:
    """Stands in for a daemon that is not running. Implements `control.Control`."""

    def __init__(self, config: Config, store: Store, clock: Clock = wall_clock) -> None:
        self._config = config
        self._store = store
        store.scrub = config.redactor.scrub
        self._clock = clock
        self._link_keys = LinkKeys(store, lambda: config)
        self._silences = SilenceRegistry(
            store, lambda: config.silences, lambda: config.timezone, clock
        )

    async def status(
        self, sources: Sequence[str] | None = None, most: int | None = None, within: str = ""
    ) -> Mapping[str, Any]:
        """Return the last saved state, with the keys of `Daemon.status`."""
        rows = {
            one["source"]: one
            for one in await self._sources()
            if not within or fnmatchcase(one["source"], within)
        }
        stand = {name: (_standing(one), math.inf) for name, one in rows.items()}
        shown = worst(stand, most) if sources is None else sources
        stored = await self._store.receivers()
        names = dict.fromkeys(one.name for one in self._config.receivers)
        if not self._config.sound:
            names |= dict.fromkeys((*stored, *await self._store.pending()))
        receivers = [(stored.get(name) or ReceiverState(name)).to_plain() for name in names]
        network, disk = await self._store.source(""), await self._store.source(DISK)
        return {
            "daemon": None,
            "sources": [rows[name] for name in shown if name in rows],
            "standing": counted(standing for standing, _lag in stand.values()),
            "receivers": receivers,
            "network_failing": network is not None and network.failing is not None,
            "store_failing": None,
            "disk": disk.failing.to_plain()
            if disk is not None and disk.failing is not None
            else None,
            "stuck": [],
            "over_budget": [],
            "weak": [*grouped(self._config.weak)],
        }

    async def progress(self, source: str) -> Mapping[str, Any]:
        """Return that nobody watches."""
        return {"looks": [], "next_poll": None, "next_sweep": None}

    async def standings(self) -> Mapping[str, Standing]:
        """Return how each source stands, as far as the store knows."""
        return {one["source"]: _standing(one) for one in await self._sources()}

    async def _sources(self) -> list[dict[str, Any]]:
        """Return what is known of each source."""
        states = {state.name: state for state in await self._store.sources()}
        sources = []
        configured = {one.name: one for one in self._config.sources}
        for each in await estimate_sources(self._config, self._store):
            state = states.get(each.source) or SourceState(each.source, each.provider, "")
            present = len(await self._store.present_ids(each.source))
            plan = describe_plan(each.source, each.share)
            limits = _limits(configured[each.source], state)
            sources.append({**_describe(state, present, limits), "plan": plan})
        if (
            not self._config.sound
        ):  # whatever is wrong in the files, the store knows what was watched
            known = {one["source"] for one in sources}
            for state in states.values():
                if state.name not in OWN | known:
                    present = len(await self._store.present_ids(state.name))
                    sources.append({**_describe(state, present), "plan": None})
        return sources

    async def retry(self, ids: Sequence[str] | None, by: Actor = SOMEBODY) -> int:
        """Make dead deliveries pending again (None: all of them); return how many."""
        return await self._store.retry(ids, self._clock(), again(ids, by, self._clock()))

    async def release(
        self, source: str, *, accept: bool, since: datetime, by: Actor = SOMEBODY
    ) -> bool:
        """Accept or discard the sweep that is held since then; return False if that one is not held."""
        state = await self._store.source(source)
        if state is None or state.hold is None or not state.hold.shown_as(since):
            return False
        policy = SourcePolicy(source, state.provider, state.account, self._config.rules)
        commit, failed = decide_hold(policy, state, accept=accept, now=self._clock())
        if commit.state is not None:
            # Without the time of the last sweep, the next daemon starts with one.
            swept = dataclasses.replace(commit.state, swept=None)
            commit = dataclasses.replace(commit, state=swept)
        action = decided(source, by, self._clock(), accept=accept)
        await self._store.commit(dataclasses.replace(commit, action=action))
        for rule, problem in failed:
            structlog.get_logger().warning(
                "a condition could not be evaluated", rule=rule, problem=problem
            )
        return True

    async def turn_on(self, receiver: str, by: Actor = SOMEBODY) -> None:
        """Send to a receiver again that was turned off."""
        state = (await self._store.receivers()).get(receiver)
        if state is not None:
            action = Action(self._clock(), by, "turn on", receiver)
            await self._store.save_receiver(dataclasses.replace(state, off="", failures=0), action)

    async def add_silence(
        self, match: str, reason: str, ends: datetime, by: Actor = SOMEBODY
    ) -> str:
        """Silence what matches from now until `ends`; return the silence's id. Raise ValueError for
        an invalid `match`.
        """
        try:
            return await self._silences.add(match, reason, ends, by)
        except ExpressionError as failure:
            raise ValueError(failure.message) from None

    async def expire_silence(self, silence: str, by: Actor = SOMEBODY) -> bool:
        """End an added silence now; return False if no active silence has this id."""
        return await self._silences.expire(silence, by)

    async def extend_silence(self, silence: str, ends: datetime, by: Actor = SOMEBODY) -> bool:
        """Let an added silence last until `ends`; return False if there is none with this id."""
        return await self._silences.extend(silence, ends, by)

    async def silences(self) -> Sequence[Mapping[str, Any]]:
        """Return every silence, configured or added, as plain JSON."""
        return await self._silences.listing()

    async def acknowledge(self, source: str, conversation: str, by: Actor = SOMEBODY) -> int:
        """Cancel pending `for` and `repeat` deliveries about a conversation; return how many."""
        return await acknowledge(self._store, source, conversation, by, self._clock())

    async def renew_links(self, *, keep: bool, by: Actor = SOMEBODY) -> bool:
        """Sign links with a new key; return False if the key is in the configuration."""
        return await self._link_keys.renew(by, self._clock(), keep=keep)

    async def take_back(self, source: str, conversation: str, by: Actor = SOMEBODY) -> bool:
        """Take an acknowledgement back; return False if nobody has taken the conversation."""
        return await take_back(self._store, source, conversation, by, self._clock())


def _limits(source: Source, state: SourceState) -> tuple[str, ...]:
    """Return what the version of a source's server cannot tell."""
    provider = source.provider_class(source.settings)
    provider.set_capabilities(state.learned)
    return provider.limits


def _standing(source: Mapping[str, Any]) -> Standing:
    return standings(
        failing=source["failing"] is not None,
        held=source["hold"] is not None,
        baselined=source["baselined"] is not None,
        stale=False,  # nobody watches
        looked=True,
    )[0]


def _describe(state: SourceState, conversations: int, limits: Sequence[str] = ()) -> dict[str, Any]:
    """Return what the store knows of a source with the keys of `SourcePoller.status`."""
    looked = max((at for at in (state.polled, state.swept) if at is not None), default=None)
    return {
        "source": state.name,
        "provider": state.provider,
        "version": told_version(state.learned),
        "limits": list(limits),
        "conversations": conversations,
        "baselined": rfc3339(state.baselined) if state.baselined else None,
        "last_look": rfc3339(looked) if looked else None,
        "lag": None,
        "sweeping": None,
        "skew": state.skew.to_plain() if state.skew else None,
        "failing": state.failing.to_plain() if state.failing else None,
        "hold": state.hold.to_plain() if state.hold else None,
    }
