"""The JSON Schema of all that receivers get: a branch for each type of event, and one for digests.

Rules: derived from the tables that the program goes by: the types and their titles (`catalogue.events`), the
shapes of a conversation and of its changes (`vocabulary`). What a receiver does not see (`redact`, thin
webhooks) is null or missing, so little is required. Objects may get more members.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from watcher.catalogue.events import EVENTS
from watcher.vocabulary import EVENT_SHAPE, Shape

__all__ = ["DIGEST", "event_schema"]

DIGEST = "watcher.digest"
"""The type of what a webhook gets for a rule with `digest`."""

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
MAYBE_TEXT: Schema = {"type": ["string", "null"]}
TIME: Schema = {"type": "string", "format": "date-time"}
MAYBE_TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
TRUTH: Schema = {"type": "boolean"}
TEXTS: Schema = {"type": "array", "items": TEXT}

TIMES = ("at", "changed_at", "created_at", "last_activity_at", "waiting_since")
"""What holds a time in a conversation."""

JSON_TYPES: Mapping[str, str] = {
    "bool": "boolean", "number": "number", "string": "string", "list": "array", "map": "object",
}  # fmt: skip


def _of_shape(shape: Shape, name: str = "") -> Schema:
    """Return the schema of a value, which may also be null."""
    if shape.kind not in JSON_TYPES:
        return {}
    found: Schema = {"type": [JSON_TYPES[shape.kind], "null"]}
    if shape.values:
        found["enum"] = [*shape.values, None]
    if shape.element is not None:
        found["items"] = _of_shape(shape.element)
    if shape.members is not None:
        found["properties"] = {key: _of_shape(one, key) for key, one in shape.members.items()}
    if shape.kind == "string" and name in TIMES:
        found["format"] = "date-time"
    return found


def _object(properties: Schema, *required: str, description: str = "") -> Schema:
    found: Schema = {"type": "object", "properties": properties, "required": [*required]}
    return {"description": description, **found} if description else found


def _conversation() -> Schema:
    members = (EVENT_SHAPE.members or {})["conversation"].members or {}
    properties = {name: _of_shape(shape, name) for name, shape in members.items()}
    return _object(
        {**properties, "id": TEXT}, "id", description="The whole conversation, afterwards."
    )


def _changes() -> Schema:
    members = (EVENT_SHAPE.members or {})["changes"].members or {}
    properties = {}
    for name, shape in members.items():
        side = _of_shape((shape.members or {})["after"], name)
        properties[name] = _object({"before": side, "after": side}, "before", "after")
    return {
        "description": "What changed, by the fields of the conversation.",
        "type": "object", "properties": properties,
    }  # fmt: skip


DELIVERY = _object(
    {
        "kind": {"enum": ["for", "repeat", "resolved", "digest"]},
        "rule": TEXT,
        "event": TEXT,
        "since": TIME,
        "count": {"type": "integer"},
        "resolved": {"type": "object"},
    },
    description="What a rule with `for`, `repeat`, `resolved` or `digest` adds.",
)
TOLD: Schema = {
    "delivery": DELIVERY,
    "test": TRUTH,
    "redacted": {**TEXTS, "description": "Fields that this receiver does not see."},
    "cut": {"description": "What was left out because the event is too large."},
    "links": {"type": "object", "additionalProperties": MAYBE_TEXT},
}
"""What may stand in the data of every event."""

WHY: Schema = {
    "reason": MAYBE_TEXT,
    "remedy": MAYBE_TEXT,
    "since": MAYBE_TIME,
    "outcome": MAYBE_TEXT,
}

DATA: Mapping[str, Schema] = {
    "conversation": _object(
        {
            "source": TEXT,
            "provider": TEXT,
            "conversation": {"$ref": "#/$defs/conversation"},
            "changes": {"$ref": "#/$defs/changes"},
            "observed": _object(
                {"after": MAYBE_TIME, "before": TIME},
                description="The change happened between these two observations.",
            ),
            "returned": TRUTH,
            "held": TRUTH,
            "existing": TRUTH,
            "withheld": TEXTS,
            "reason": MAYBE_TEXT,
            "outcome": MAYBE_TEXT,
            "waited": {"type": ["number", "null"]},
            **TOLD,
        },
        "source", "conversation",
    ),
    "source": _object({"source": TEXT, "provider": TEXT, **WHY, **TOLD}, "source"),
    "receiver": _object({"receiver": TEXT, **WHY, **TOLD}, "receiver"),
    "delivery": _object(
        {
            "receiver": TEXT,
            "rule": TEXT,
            "event": _object({"id": TEXT, "type": TEXT, "subject": MAYBE_TEXT}, "id", "type"),
            "attempts": {"type": "integer"},
            **WHY,
            **TOLD,
        },
        "receiver",
    ),
    "watcher": _object({**WHY, **TOLD}),
}  # fmt: skip
"""The data of events, by the first word of their type."""


def _branch(type_: str, title: str, data: Schema, *, about: bool) -> Schema:
    properties: Schema = {
        "specversion": {"const": "1.0"},
        "id": TEXT,
        "source": TEXT,
        "type": {"const": type_},
        "subject": {**TEXT, "description": "The conversation's id."},
        "time": TIME,
        "datacontenttype": {"const": "application/json"},
        "data": data,
    }
    if not about:
        del properties["subject"]
    required = [name for name in properties if name != "subject" or about]
    return {"title": type_, **_object(properties, *required, description=title)}


@functools.cache
def event_schema() -> Schema:
    """Return the schema (draft 2020-12)."""
    events = {
        one.name: _branch(
            one.name,
            one.title,
            {"$ref": f"#/$defs/data.{one.name.partition('.')[0]}"},
            about=one.name.startswith("conversation."),
        )
        for one in EVENTS.values()
    }
    any_event = [{"$ref": f"#/$defs/{name}"} for name in events]
    digest = _object({**TOLD, "events": {"type": "array", "items": {"oneOf": any_event}}}, "events")
    data = {f"data.{name}": schema for name, schema in DATA.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What inbox-watcher sends",
        "description": "CloudEvents 1.0, a branch for each type. Objects may get more members.",
        "oneOf": [*any_event, {"$ref": f"#/$defs/{DIGEST}"}],
        "$defs": {
            "conversation": _conversation(),
            "changes": _changes(),
            **data,
            **events,
            DIGEST: _branch(DIGEST, "Several events in one message", digest, about=False),
        },
    }
