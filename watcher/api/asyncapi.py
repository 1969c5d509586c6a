"""What goes out by itself, as an AsyncAPI 3.0 document: webhooks, and the log as a stream.

Rules: made of the schema of events (`event_schema`); what is asked for and answered is OpenAPI's (`openapi`).
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from watcher import __version__
from watcher.api.event_schema import DIGEST, event_schema
from watcher.api.openapi import WEBHOOK_HEADERS
from watcher.catalogue.events import EVENTS

__all__ = ["asyncapi"]

Document = dict[str, Any]


@functools.cache
def asyncapi() -> Document:
    """Return the document."""
    names = [*EVENTS, DIGEST]
    messages = {name: {"$ref": f"#/components/messages/{name}"} for name in names}
    streamed = {name: one for name, one in messages.items() if name != DIGEST}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "inbox-watcher",
            "version": __version__,
            "description": "What inbox-watcher sends by itself. Objects may get more members.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/cloudevents+json",
        "channels": {
            "webhook": {
                "address": None,
                "description": "A POST to a receiver of type `webhook`, signed as Standard Webhooks has it.",
                "messages": messages,
            },
            "stream": {
                "address": "/api/v1/events/stream",
                "description": "Server-sent events; `Last-Event-ID` goes on where it ended.",
                "messages": streamed,
            },
        },
        "operations": {
            name: {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in found],
            }
            for name, found in (("webhook", messages), ("stream", streamed))
        },
        "components": {"messages": {name: _message(name) for name in names}, "schemas": _schemas()},
    }


def _message(name: str) -> Document:
    headers = {
        "type": "object",
        "properties": {
            header: {"type": "string", "description": text}
            for header, (text, _required) in WEBHOOK_HEADERS.items()
        },
    }
    return {"name": name, "headers": headers, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _schemas() -> Document:
    """Return the parts of the schema of events, as they refer to each other here."""

    def moved(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: one.replace("#/$defs/", "#/components/schemas/")
                if key == "$ref"
                else moved(one)
                for key, one in value.items()
            }
        return [moved(one) for one in value] if isinstance(value, list) else value

    found: Document = moved(copy.deepcopy(event_schema()["$defs"]))
    return found
