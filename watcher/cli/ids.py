"""Ids as people write them: whole, or a beginning that only one of them has.

Rules: reads no more than it can show: every look-up is bounded. An id that is whole is never ambiguous.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from watcher.cli.console import NotOne
from watcher.model import Delivery
from watcher.records import DeliveryQuery, IdKind
from watcher.store import Store

__all__ = ["find_deliveries", "only_one", "resolve"]

SHOWN = 8
"""Candidates that an error lists."""


def only_one(what: str, text: str, candidates: Sequence[str], remedy: str) -> str:
    """Return the candidate that is `text` or, as the only one, begins so; raise NotOne."""
    found = [text] if text in candidates else [one for one in candidates if one.startswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotOne(f"there is no {what} {text}", remedy)
    raise NotOne(f"{what} {text} is ambiguous: {_listed(found)}", "write more of it")


async def resolve(store: Store, text: str, *kinds: IdKind) -> tuple[IdKind, str] | None:
    """Return what an id or its beginning names, looked for among these kinds in their order; None if
    nothing begins so. Raise NotOne if several do.
    """
    found: dict[str, IdKind] = {}
    for kind in kinds if text else ():
        for id_ in await store.ids(kind, text, SHOWN + 1):
            if id_ == text:
                return kind, id_
            found.setdefault(id_, kind)
    if len(found) > 1:
        named = [f"{kind} {id_}" for id_, kind in found.items()]
        raise NotOne(f"{text} is ambiguous: {_listed(named)}", "write more of it")
    return next(((kind, id_) for id_, kind in found.items()), None)


async def find_deliveries(
    store: Store, text: str, among: DeliveryQuery | None = None
) -> list[Delivery]:
    """Return the deliveries that are meant by an id or its beginning: that of a delivery, a digest or
    an event, perhaps with `/RECEIVER`; of those that `among` asks for. Raise NotOne if several ids
    begin so.
    """
    name, slash, receiver = text.rpartition("/")
    named = await resolve(store, name if slash else text, "delivery", "event")
    if named is None:
        return []
    _, id_ = named
    asked = among or DeliveryQuery()
    queries = (replace(asked, id=id_), replace(asked, events=(id_,)))
    found = {one.key: one for query in queries for one in await store.deliveries(query)}
    return [one for one in found.values() if not slash or one.receiver == receiver]


def _listed(found: Sequence[str]) -> str:
    more = ", …" if len(found) > SHOWN else ""
    return ", ".join(found[:SHOWN]) + more
