"""From the configuration to plans: what each source and receiver is built of.

Rules: part of the composition root; gives plans what they need of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from watcher.config.model import Source
from watcher.mapping import reading, targets
from watcher.notify import Post
from watcher.notify.receivers import Network, Receiver, ReceiverPlan
from watcher.poller import SourcePlan
from watcher.providers import Provider
from watcher.settings.link import Link
from watcher.transport import Connection, Transport

__all__ = ["attributes_of_words", "plan_receivers", "plan_source"]

SPREAD = 5.0
"""Seconds over which sources start at most."""

FEW = 100
"""Sources that need not be spread: their first polls cost no first look its turn."""


def plan_source(
    source: Source, transport: Transport, index: int, count: int, *, raw: bool = False
) -> SourcePlan:
    """Build one source's plan; `index` of `count` spreads the starts. With `raw`, rows come with what
    they were read from, also where nothing is mapped.
    """
    provider: Provider = source.provider_class(
        source.settings, raw=raw or source.mapping is not None
    )
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
            deadline=source.timeout.total_seconds(),
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
        people=source.names,
        hold_rows=source.hold.rows,
        hold_share=source.hold.percent / 100,
        most_conversations=source.most_conversations,
        most_bytes=source.most_bytes,
        offset=min(poll_every, SPREAD) * index / max(count, 1),
        phase=poll_every * (2 + index / count) / 3 if count > FEW else 0.0,
        renew=renew,
        close=client.aclose,
    )


def attributes_of_words(sources: Sequence[Source]) -> Mapping[str, Mapping[str, bool]]:
    """Return, by source, the attributes that `fields:` may read from what people write: whether by
    the words of their expression, or only where they turn out to be whole parts of a row.
    """
    found: dict[str, Mapping[str, bool]] = {}
    for one in sources:
        if one.mapping is not None:
            named = reading(one.mapping, one.provider_class.words)
            found[one.name] = {
                path.removeprefix("attributes."): path in named
                for path in targets(one.mapping)
                if path.startswith("attributes.")
            }
    return found


def plan_receivers(
    receivers: Sequence[Receiver], transport: Transport, scrub: Callable[[str], str] = str
) -> tuple[ReceiverPlan, ...]:
    """Build the receivers' plans; `scrub` strikes secrets out of what the other side answers."""

    def post_over(link: Link, connect_timeout: timedelta) -> Post:
        return transport.webhook(link, connect_timeout.total_seconds())

    network = Network(post_over, scrub, lambda: transport.addresses)
    # A kind of receiver need not know of links, nor of the name that it has.
    return tuple(replace(one.plan(network), links=one.links, kind=one.type) for one in receivers)
