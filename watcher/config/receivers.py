"""The receivers of the configuration.

Rules: what a kind of receiver takes and can do is its own (`watcher.notify`); here its name is
looked up and its settings get their place.
"""

from __future__ import annotations

from collections.abc import Mapping

from watcher.config.discovery import PluginUnusable, ReceiverLoader
from watcher.config.sources import check_name
from watcher.config.tree import Entries, Entry, Scalar
from watcher.config.validate import Work, found, validate
from watcher.notify.receivers import Receiver
from watcher.suggest import did_you_mean, short

__all__ = ["build_receivers"]


def build_receivers(
    entries: Mapping[str, Entry], kinds: Mapping[str, ReceiverLoader], work: Work
) -> tuple[Receiver, ...]:
    """Check all receivers; return those without mistakes."""
    receivers = (_receiver(entry, kinds, work) for entry in entries.values())
    return tuple(receiver for receiver in receivers if receiver is not None)


def _receiver(entry: Entry, kinds: Mapping[str, ReceiverLoader], work: Work) -> Receiver | None:
    check_name(entry, "receiver", work)
    what = f"the receiver `{short(entry.name)}`"
    table = entry.value
    if not isinstance(table, Entries):
        # What stands there may be a URL with a password, so it is not shown.
        message = f"{what} must be a mapping, found {table.kind}"
        work.problems.append(table.place.problem(message, "write `type: …` and `url: …` below it"))
        return None
    kind = _kind(entry, table, kinds, what, work)
    if kind is None:
        return None
    return validate(
        kind,
        table,
        work,
        parent=entry.key.place,
        what=what,
        literal=("type",),
        extra={"name": entry.name},
    )


def _kind(
    entry: Entry, table: Entries, kinds: Mapping[str, ReceiverLoader], what: str, work: Work
) -> type[Receiver] | None:
    """Return the class of the kind of receiver that `type` names."""
    type_, allowed = table.get("type"), ", ".join(kinds)
    if type_ is None:
        message = f"{what} lacks `type`"
        remedy = f"add `type:` with one of: {allowed}"
        work.problems.append(entry.key.place.problem(message, remedy))
        return None
    node = type_.value
    loader = kinds.get(node.value) if isinstance(node, Scalar) else None  # type: ignore[arg-type]  # any scalar
    if loader is None:
        near = did_you_mean(node.raw, kinds) if isinstance(node, Scalar) else ""
        shown = found(node, work.texts, hidden=False)
        work.problems.append(
            node.place.problem(f"`type` is no type of receiver{shown}", f"{near}allowed: {allowed}")
        )
        return None
    try:
        return loader()
    except PluginUnusable as unusable:
        work.problems.append(node.place.problem(unusable.message, unusable.remedy))
        return None
