"""The keys of links in messages: those of the configuration, or the store's own.

Rules: without `server.public_url`, or with `links: false`, there are no links and no key is made.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from watcher.config.model import Config
from watcher.links import Links
from watcher.records import Action, Actor
from watcher.store import Store

__all__ = ["LinkKeys", "links_with"]


def configured_keys(config: Config) -> tuple[bytes, ...]:
    """Return the keys that the configuration has, none where it leaves them to the store."""
    settings = config.server.links if config.server is not None else None
    if settings is None or settings.key is None:
        return ()
    both = (settings.key, settings.previous_key)
    return tuple(one.read().encode() for one in both if one is not None)


def links_with(config: Config, keys: tuple[bytes, ...]) -> Links | None:
    """Return what makes links with these keys, None where messages have none."""
    server = config.server
    if server is None or server.public_url is None or server.links is None or not keys:
        return None
    return Links(server.public_url, keys[0], server.links.lasts)


class LinkKeys:
    """What signs links now, and what they are known by; must be opened before."""

    def __init__(self, store: Store, config: Callable[[], Config]) -> None:
        self._store = store
        self._config = config
        self._own: tuple[bytes, ...] = ()

    async def open(self) -> None:
        """Load the store's own keys, where links need them."""
        config = self._config()
        wanted = config.server is not None and config.server.public_url and config.server.links
        if wanted and not configured_keys(config):
            self._own = await self._store.link_keys()

    def __call__(self) -> tuple[bytes, ...]:
        """Return the keys, the one that signs first."""
        return configured_keys(self._config()) or self._own

    def links(self) -> Links | None:
        """Return what makes links now, None where messages have none."""
        return links_with(self._config(), self())

    async def renew(self, by: Actor, now: datetime, *, keep: bool) -> bool:
        """Sign with a new key; return False if the configuration has the key."""
        if configured_keys(self._config()):
            return False
        what = Action(now, by, "renew links" if keep else "revoke links", "links in messages")
        await self._store.renew_link_key(what, keep=keep)
        await self.open()
        return True
