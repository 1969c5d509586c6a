"""What differs between two configurations, so that a reload leaves alone what stays as it is.

Rules: pure but for secret files, which are read as they are now. Two sources or receivers are the same
when every setting has the same value; where a value comes from does not count. A certificate that
was renewed in its file needs no comparing: connections look for themselves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from watcher.config.model import Config
from watcher.mapping import FieldMapping, fingerprint
from watcher.secrets import SecretText
from watcher.suggest import listing

__all__ = ["Differences", "compare", "needs_restart"]


class _Named(Protocol):
    @property
    def name(self) -> str: ...


N = TypeVar("N", bound=_Named)


@dataclass(frozen=True, slots=True)
class Differences:
    """Names in the order of the configuration they stand in; a rename is one removed, one added."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)

    def __str__(self) -> str:
        parts = (
            f"{word} {listing(names)}"
            for word, names in (
                ("added", self.added),
                ("changed", self.changed),
                ("removed", self.removed),
            )
            if names
        )
        return "; ".join(parts) or "as before"


def compare(old: Sequence[N], new: Sequence[N]) -> Differences:
    """Compare sources, receivers, rules or silences by their names."""
    before = {one.name: one for one in old}
    after = {one.name: one for one in new}
    return Differences(
        added=tuple(name for name in after if name not in before),
        changed=tuple(
            name
            for name, one in after.items()
            if name in before and _plain(one) != _plain(before[name])
        ),
        removed=tuple(name for name in before if name not in after),
    )


def needs_restart(old: Config, new: Config) -> tuple[str, ...]:
    """Return the top-level keys that differ and are read only when the daemon starts."""
    both = _at_start(old), _at_start(new)
    return tuple(key for key in both[0] if both[0][key] != both[1][key])


AT_ONCE = ("links", "metrics_sources", "token", "tokens", "trusted_header", "reading", "insecure")
"""What of `server` is in force as soon as it is taken up."""


def _at_start(config: Config) -> Mapping[str, Any]:
    server = config.server
    fixed = server.model_copy(update=dict.fromkeys(AT_ONCE)) if server is not None else None
    return {
        "store": config.store, "store_texts": config.store_texts, "server": _plain(fixed),
    }  # fmt: skip


def _plain(value: Any) -> Any:
    """Return what can be compared: secrets by their present values, compiled texts by their source."""
    if isinstance(value, SecretText):
        return value.read()
    if isinstance(value, FieldMapping):
        return fingerprint(value)
    if isinstance(value, BaseModel):
        return type(value), {
            name: _plain(getattr(value, name)) for name in type(value).model_fields
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # A compiled program compares by the text that it came from, which is a field of its own.
        names = (each.name for each in dataclasses.fields(value) if not each.name.startswith("_"))
        return type(value), {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(one) for one in value]
    return value
