"""From the configuration to plans: what each source and receiver is built of.

Law: part of the composition root; the only place that names notifier implementations.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import anyio

from watcher.config import AppriseReceiver, Receiver, Source, Webhook
from watcher.dispatcher import ReceiverPlan
from watcher.model import derive_id
from watcher.notify import Notifier
from watcher.notify.apprise import AppriseNotifier
from watcher.notify.webhook import WebhookNotifier
from watcher.pipeline import Policy
from watcher.poller import SourcePlan
from watcher.providers import Provider
from watcher.transport import Connection, Transport

__all__ = ["plan_receivers", "plan_source"]

SPREAD = 10.0
"""Seconds over which sources start at most."""

APPRISE_WORKERS = 2
APPRISE_LEASE = timedelta(hours=1)
WEBHOOK_SLACK = timedelta(seconds=30)


def plan_source(source: Source, transport: Transport, index: int, count: int) -> SourcePlan:
    """Build one source's plan; `index` of `count` spreads the starts."""
    provider: Provider = source.provider_class(source.settings, raw=source.mapping is not None)
    used: list[str] = [source.token.read()]

    def credentials() -> Any:
        used[0] = source.token.read()
        return provider.authorization(used[0])

    def renew() -> bool:
        """Read the token again after a refusal; another one is worth a try at once."""
        before = used[0]
        source.token.refresh()
        used[0] = source.token.read()
        return used[0] != before

    client = transport.source(
        Connection(
            base_url=source.settings.base_url,
            credentials=credentials,
            budget=provider.budget,
            quota=provider.quota,
            deadline=source.timeout,
            largest=source.largest_answer,
            link=source.link,
        )
    )
    poll_every = source.poll_every.total_seconds()
    return SourcePlan(
        name=source.name,
        provider_name=source.provider,
        provider=provider,
        send=client.send,
        poll_every=poll_every,
        sweep_every=source.sweep_every.total_seconds(),
        mapping=source.mapping,
        hold_rows=source.hold_rows,
        hold_share=source.hold_share,
        offset=min(poll_every, SPREAD) * index / max(count, 1),
        renew=renew,
        close=client.aclose,
    )


def plan_receivers(
    receivers: Sequence[Receiver], transport: Transport, scrub: Callable[[str], str] = str
) -> tuple[ReceiverPlan, ...]:
    """Build the receivers' plans; `scrub` strikes secrets out of what the other side answers."""
    return tuple(
        _plan_webhook(receiver, transport, scrub)
        if isinstance(receiver, Webhook)
        else _plan_apprise(receiver)
        for receiver in receivers
    )


def _plan_webhook(
    receiver: Webhook, transport: Transport, scrub: Callable[[str], str]
) -> ReceiverPlan:
    notifier: Notifier = WebhookNotifier(
        url=receiver.url.read,
        secrets=lambda: tuple(secret.read() for secret in receiver.secrets),
        headers=lambda: {name: text.read() for name, text in receiver.headers.items()},
        timeout=receiver.timeout,
        post=transport.webhook(receiver.link, receiver.connect_timeout),
        scrub=scrub,
    )
    return ReceiverPlan(
        name=receiver.name,
        notifier=notifier,
        policy=Policy(retry=receiver.retry, limit=receiver.limit, relaxed=receiver.relaxed),
        target=_target(receiver.url.read()),
        visibility=receiver.visibility,
        slots=receiver.link.connections,
        lease=timedelta(seconds=receiver.timeout) + WEBHOOK_SLACK,
    )


def _plan_apprise(receiver: AppriseReceiver) -> ReceiverPlan:
    # Workers of its own: a service that hangs keeps no other receiver waiting.
    workers = anyio.CapacityLimiter(APPRISE_WORKERS)
    notifier: Notifier = AppriseNotifier(
        urls=lambda: tuple(url.read() for url in receiver.urls),
        name=receiver.name,
        limiter=workers,
        format=receiver.format,
    )
    return ReceiverPlan(
        name=receiver.name,
        notifier=notifier,
        policy=Policy(
            retry=receiver.retry,
            limit=receiver.limit,
            relaxed=receiver.relaxed,
            once_more=True,
        ),
        target=_target(*(url.read() for url in receiver.urls)),
        visibility=receiver.visibility,
        slots=1,
        lease=APPRISE_LEASE,
    )


def _target(*addresses: str) -> str:
    """Fingerprint where a receiver points, too short to be undone."""
    return f"{zlib.crc32(derive_id(*addresses).encode()):08x}"
