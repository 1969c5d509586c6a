"""The key `notify`: the receivers of a rule.

Rules: pure.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from watcher.catalogue.events import DEAD
from watcher.model import Event
from watcher.settings.base import context_of, wrong
from watcher.suggest import did_you_mean, listing, short

__all__ = ["Notify", "describe", "is_about"]


def is_about(event: Event, receiver: str) -> bool:
    """Return whether an event is about the receiver itself, which then does not get it."""
    own = event.type.startswith("receiver.") or event.type == DEAD
    return own and event.source == receiver


def describe(receivers: tuple[str, ...]) -> str:
    """Describe which receivers get the messages."""
    return ", ".join(receivers)


def _configured(name: str, info: ValidationInfo) -> str:
    names = context_of(info).names
    if names is not None and name not in names["receiver"]:
        there = names["receiver"]
        remedy = f"{did_you_mean(name, there)}configured: {listing(there) or 'none'}"
        raise wrong(f"there is no receiver `{short(name)}`", remedy, offset=0)
    return name


_Name = Annotated[str, StringConstraints(min_length=1), AfterValidator(_configured)]
_TEXT = {"type": "string", "minLength": 1}
Notify = Annotated[
    tuple[_Name, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    # A receiver that is named twice gets one message.
    AfterValidator(lambda names: tuple(dict.fromkeys(names))),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]}),
]
"""Names of receivers, one or more."""
