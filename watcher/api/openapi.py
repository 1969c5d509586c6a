"""The API's document (OpenAPI 3.1), made of the route table and the models, with what is sent out.

Rules: nothing is described twice; what a route takes, gives and may be refused for stands in `routes`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from watcher import __version__
from watcher.api.models import CloudEvent, Problem
from watcher.api.problems import PROBLEMS
from watcher.api.routes import BASE, ROUTES, Route

__all__ = ["document"]

ALWAYS = ("invalid", "not-found", "too-broad", "store-waits", "internal")
"""What every request may be refused for."""

UNREAD: Mapping[str, Any] = {
    "description": "The request is no HTTP, or its address and headers have more than 64 KB.",
    "content": {"text/plain": {"schema": {"type": "string"}}},
}

STREAMED: Mapping[str, Any] = {
    "type": "object",
    "description": "One server-sent event.",
    "properties": {
        "id": {"type": "string", "description": "Where to go on: send it as `Last-Event-ID`."},
        "event": {"enum": ["event", "gap", "end"]},
        "data": {"type": "string", "description": "JSON."},
        "retry": {"type": "integer"},
    },
}

WEBHOOK_HEADERS: Mapping[str, tuple[str, bool]] = {
    "webhook-id": ("The event's id, or that of a later message; the same in every attempt.", True),
    "webhook-timestamp": ("When this attempt was made, in seconds since 1970.", True),
    "webhook-signature": ("`v1,` and the signature, where the receiver has a secret.", False),
}


@functools.cache
def document() -> dict[str, Any]:
    """Return the document."""
    given = {route.given for route in ROUTES} | {Problem, CloudEvent}
    taken = {route.body for route in ROUTES if route.body is not None}
    models: list[tuple[Any, Any]] = [(one, "serialization") for one in given]
    models += [(one, "validation") for one in taken]
    models.sort(key=lambda one: one[0].__name__)
    names, schemas = models_json_schema(models, ref_template="#/components/schemas/{model}")
    references = {model: names[model, mode] for model, mode in models}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(f"{BASE}{route.path}", {})[route.method.lower()] = _operation(
            route, references
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "inbox-watcher",
            "version": __version__,
            "description": "What the watcher knows, and what can be done to it."
            " Answers may get more members.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "webhooks": {"event": _webhook(references[CloudEvent])},
        "components": {
            "schemas": schemas["$defs"],
            "responses": {name: _problem(name, references[Problem]) for name in sorted(PROBLEMS)},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, references: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    refused = [*ALWAYS, *route.problems]
    if route.level != "anybody" or route.path == "/stats":
        refused.append("not-signed-in")
    if route.body is not None:
        refused += ["wrong-type", "too-large"]
    operation: dict[str, Any] = {
        "operationId": route.answer.__name__,
        "summary": route.summary,
        "x-level": route.level,
        "parameters": [*_in_path(route.path), *_in_query(route.query)],
        "responses": {
            str(route.status): {
                "description": (route.given.__doc__ or "").strip(),
                "content": {
                    media: {"schema": _shape(media, route, references)} for media in route.media
                },
            },
            **_refusals(refused),
            "400": UNREAD,
        },
    }
    if route.answer.__name__ == "stream":
        operation["parameters"].append(
            {"name": "Last-Event-ID", "in": "header", "required": False,
             "schema": {"type": "string"}, "description": "The last `id` that was received."}
        )  # fmt: skip
    if route.level != "anybody":
        operation["security"] = [{"bearer": []}]
    if route.body is not None:
        content = {"application/json": {"schema": references[route.body]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _shape(media: str, route: Route, references: Mapping[type[BaseModel], Any]) -> Any:
    if media == "text/event-stream":
        return STREAMED
    # Of lines, no schema of OpenAPI 3.1 says more.
    return references[route.given] if media == "application/json" else {"type": "string"}


def _refusals(kinds: list[str]) -> dict[str, Any]:
    """Return what may come instead, by status; of several, the title says which."""
    found: dict[str, list[str]] = {}
    for kind in dict.fromkeys(kinds):
        found.setdefault(str(PROBLEMS[kind][0]), []).append(kind)
    return {
        status: {"$ref": f"#/components/responses/{names[0]}"} for status, names in found.items()
    }


def _problem(kind: str, reference: Any) -> dict[str, Any]:
    _, title = PROBLEMS[kind]
    return {"description": title, "content": {"application/problem+json": {"schema": reference}}}


def _in_path(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _in_query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(mode="validation")
    required = schema.get("required", ())
    parameters = []
    for name, shape in schema.get("properties", {}).items():
        plain = {key: value for key, value in shape.items() if key != "description"}
        one = {"name": name, "in": "query", "required": name in required, "schema": plain}
        if "description" in shape:
            one["description"] = shape["description"]
        parameters.append(one)
    return parameters


def _webhook(event: Any) -> dict[str, Any]:
    headers = [
        {"name": name, "in": "header", "required": required, "description": text,
         "schema": {"type": "string"}}
        for name, (text, required) in WEBHOOK_HEADERS.items()
    ]  # fmt: skip
    content = {"application/cloudevents+json": {"schema": event}}
    return {
        "post": {
            "operationId": "webhook",
            "summary": "What a webhook receiver gets (Standard Webhooks)",
            "parameters": headers,
            "requestBody": {"required": True, "content": content},
            "responses": {
                "2XX": {"description": "Taken."},
                "410": {"description": "Nothing is wanted any more: the receiver is turned off."},
                "default": {"description": "Tried again by the receiver's schedule."},
            },
        }
    }
