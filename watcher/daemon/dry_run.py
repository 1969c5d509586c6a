"""`run --dry-run`: the real daemon over a copy of the store in a temporary file, with notifiers that show.

Rules: polls for real; sends nothing, writes nothing but the copy, which goes with it, takes no lock of the
store and opens no port, so it works alongside a running daemon.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from watcher.clock import wall_clock
from watcher.config.model import Config
from watcher.daemon import Daemon
from watcher.daemon.pass_report import PassReport
from watcher.daemon.plans import plan_receivers
from watcher.daemon.serving import until_stopped
from watcher.model import Result
from watcher.notify import Notice
from watcher.notify.receivers import Receiver
from watcher.records import DeliveryQuery
from watcher.runtime import Publish
from watcher.store import Journal, Store
from watcher.store.address import StoreAddress
from watcher.transport import Transport, prepare_loop

__all__ = ["PrintNotifier", "Rehearsed", "dry_run"]


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A message that would have been sent. `rule` is None for a digest of several deliveries;
    `preview` is what would go out (see `Receiver.preview`).
    """

    receiver: str
    rule: str | None
    notice: Notice
    preview: Mapping[str, Any]


class PrintNotifier:
    """Stands in for a receiver's notifier: shows the message and reports success."""

    def __init__(
        self, receiver: Receiver, *, store: Journal, show: Callable[[Rehearsed], None]
    ) -> None:
        self.text = receiver.text
        self._receiver = receiver
        self._store = store
        self._show = show

    async def send(self, notice: Notice) -> Result:
        """Show the message; it counts as delivered, so that later ones follow."""
        name = self._receiver.name
        query = DeliveryQuery(id=notice.event.id, receiver=name)
        deliveries = await self._store.deliveries(query)
        rule = deliveries[0].rule if deliveries else None
        preview = self._receiver.preview(notice, notice.event.id)
        self._show(Rehearsed(name, rule, notice, preview))
        return Result("ok", "shown, not sent")

    async def close(self) -> None:
        """Close nothing."""


@contextlib.asynccontextmanager
async def _copied(address: StoreAddress) -> AsyncIterator[Store]:
    """Open a copy of the store that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="inbox-watcher-") as folder:
        store = await address.copy_into(Path(folder))
        try:
            yield store
        finally:
            await store.close()


async def dry_run(
    config: Config,
    *,
    once: bool = False,
    echo: Publish,
    show: Callable[[Rehearsed], None],
) -> PassReport | None:
    """Run until SIGTERM or SIGINT (or, with `once`, for one pass; then return what it did).

    `echo` gets the events as they are found, `show` the messages as they would be sent. What
    is already pending in the store is shown too. Raise StoreError if the store exists and cannot be
    read, or there is no room for a copy.
    """
    prepare_loop()
    async with (
        _copied(config.store) as store,
        Transport(wall_clock, addresses=config.network.addresses) as transport,
    ):
        plans = []
        configured = {one.name: one for one in config.receivers}
        for plan in plan_receivers(config.receivers, transport, config.redactor.scrub):
            notifier = PrintNotifier(configured[plan.name], store=store, show=show)
            plans.append(dataclasses.replace(plan, notifier=notifier))
        daemon = Daemon(config, store=store, transport=transport, receivers=plans, echo=echo)
        try:
            if once:
                return await until_stopped(daemon, daemon.once)
            await until_stopped(daemon, daemon.run)
            return None
        finally:
            with anyio.CancelScope(shield=True):
                await daemon.close()
