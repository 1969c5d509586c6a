"""The table of a conversation's fields: a row holds what the type of a field does not say.

Rules: one row per field of `watcher.model.Conversation`, in its order. A field's kind, and whether
it may be empty, come from its annotation there. How a kind is read, bounded or compared is written
where that is done: `watcher.pipeline.sanitize`, `watcher.mapping`, `watcher.diff`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from watcher.model import Contact, Conversation, Disposition, Message, Reference

__all__ = [
    "ATTRIBUTE",
    "CONTACT",
    "FIELDS",
    "PATHS",
    "REFERENCES",
    "Field",
    "Kind",
    "Path",
    "differs",
]

Kind = Literal[
    "text", "flag", "count", "time", "labels", "reference", "message", "disposition", "json"
]
"""What a field holds: how its values are sanitized, read by a mapping, and compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field of a conversation."""

    name: str
    """The attribute of `Conversation`, and the key of the event's `data.conversation`."""

    tracked: bool = True
    """Whether a change of the field is reported. What follows from other fields is not."""

    event: str | None = "conversation.updated"
    """The type of event that every change of the field makes.

    None where `watcher.diff` decides, because it depends on the values or on other fields.
    """

    derived: bool = False
    """Whether it follows from what rows show, so that no row shows it itself."""

    mappable: bool = False
    """Whether a source's `fields:` may say where the provider's rows have it."""

    sample: Any
    """The plain value in the sample event on which conditions and templates are tried."""

    sample_before: Any = ...
    """The value before the change in that event, where it is another one."""


_AT = "2026-11-20T10:00:00.000Z"

FIELDS: Mapping[str, Field] = {
    one.name: one
    for one in (
        Field(
            name="id",
            tracked=False,
            sample="conversation-1",
        ),
        Field(
            name="url",
            tracked=False,
            sample="https://inbox.example.com/conversations/conversation-1",
        ),
        Field(
            name="contact",
            event="conversation.contact_changed",
            mappable=True,
            sample={
                "id": "contact-1",
                "name": "Maria Lopez",
                "email": "maria@example.com",
                "phone": "+15550100",
            },
        ),
        Field(
            name="channel",
            event=None,
            mappable=True,
            sample="sms",
        ),
        Field(
            name="unread",
            event=None,
            mappable=True,
            sample=True,
            sample_before=False,
        ),
        Field(
            name="unread_count",
            event=None,
            sample=2,
            sample_before=0,
        ),
        Field(
            name="assignee",
            event=None,
            mappable=True,
            sample={"id": "u2", "name": "Ben"},
            sample_before={"id": "u1", "name": "Ana"},
        ),
        Field(
            name="team",
            event="conversation.team_changed",
            mappable=True,
            sample={"id": "t1", "name": "Sales"},
        ),
        Field(
            name="archived",
            event=None,
            mappable=True,
            sample=False,
        ),
        Field(
            name="status",
            event=None,
            mappable=True,
            sample="open",
        ),
        Field(
            name="disposition",
            event="conversation.disposition_changed",
            mappable=True,
            sample={
                "id": "d1",
                "label": "Interested",
                "outcome": "positive",
                "changed_at": _AT,
                "changed_by": "Ana",
            },
        ),
        Field(
            name="labels",
            event="conversation.labels_changed",
            mappable=True,
            sample=["new", "vip"],
        ),
        Field(
            name="priority",
            event="conversation.priority_changed",
            mappable=True,
            sample="high",
        ),
        Field(
            name="last_message",
            event=None,
            sample={
                "text": "Is the house still for sale?",
                "direction": "inbound",
                "type": "sms",
                "at": _AT,
                "automated": False,
                "subject": "The house",
                "attachments": ["image"],
            },
        ),
        Field(
            name="waiting_since",
            event=None,
            derived=True,
            sample=_AT,
            sample_before=None,
        ),
        Field(
            name="last_activity_at",
            tracked=False,
            sample=_AT,
        ),
        Field(
            name="created_at",
            tracked=False,
            sample=_AT,
        ),
        Field(
            name="attributes",
            event=None,
            mappable=True,
            sample={},
        ),
    )
}
"""Every field of a conversation, by name."""


@dataclass(frozen=True, slots=True)
class Path:
    """One leaf path of `Observation.fields`: what a row can show by itself."""

    name: str
    field: Field
    kind: Kind
    required: bool
    """Whether a conversation always has a value there, so that null can never stand for it."""


CONTACT = tuple(one.name for one in dataclasses.fields(Contact))
"""The parts of a contact, each of which a row may show by itself."""

ATTRIBUTE = "attributes.<name>"
"""Stands for the paths of all attributes, whose names are the provider's or the user's."""

_KINDS: Mapping[Any, Kind] = {
    str: "text",
    bool: "flag",
    int: "count",
    datetime: "time",
    tuple: "labels",
    Reference: "reference",
    Message: "message",
    Disposition: "disposition",
}


def _paths() -> Iterator[Path]:
    hints = get_type_hints(Conversation)
    for field in FIELDS.values():
        if field.derived:
            continue
        match field.name:
            case "id":
                continue  # what identifies a row is not observed, see `Observation.id`
            case "contact":
                for name in CONTACT:
                    yield Path(f"contact.{name}", field, "text", required=False)
            case "attributes":
                yield Path(ATTRIBUTE, field, "json", required=False)
            case name:
                kind, optional = _kind(hints[name])
                yield Path(name, field, kind, required=not optional)


def _kind(hint: Any) -> tuple[Kind, bool]:
    """Return the kind that an annotation stands for, and whether it allows None."""
    optional = NoneType in get_args(hint)
    inner = next(one for one in get_args(hint) if one is not NoneType) if optional else hint
    return _KINDS[get_origin(inner) or inner], optional


PATHS: Mapping[str, Path] = {one.name: one for one in _paths()}
"""Every path that a row can show, all attributes as one."""

REFERENCES: tuple[str, ...] = tuple(
    path.name for path in PATHS.values() if path.kind == "reference"
)
"""The fields that point to a person or a team."""


def differs(name: str, before: Conversation, after: Conversation) -> bool:
    """Return whether a field changed. A person or team under another name is still the same."""
    one, other = getattr(before, name), getattr(after, name)
    if name in REFERENCES and one is not None and other is not None:
        return bool(one.id != other.id)
    return bool(one != other)
