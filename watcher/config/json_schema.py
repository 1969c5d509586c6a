"""The configuration's JSON Schema, with which editors complete and check the file as it is typed.

Rules: derived from the models that check the file; nothing is written twice. Where the file may hold
a secret's reference, the schema allows any text with `${`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from watcher.config.discovery import (
    PluginUnusable,
    ProviderLoader,
    ReceiverLoader,
    installed_providers,
    installed_receivers,
)
from watcher.config.model import General, Retention, Server, Source
from watcher.rules import Rule, Silence, Template
from watcher.settings.heartbeat import Heartbeat
from watcher.settings.network import NetworkSettings
from watcher.settings.values import CONDITION_NAME_PATTERN, NAME_PATTERN

__all__ = ["json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{", "title": "Reference to a secret"}

Schema = dict[str, Any]


def json_schema(
    providers: Mapping[str, ProviderLoader] | None = None,
    receivers: Mapping[str, ReceiverLoader] | None = None,
) -> Schema:
    """Return the JSON Schema (draft 2020-12) of a configuration file.

    The settings of each provider apply where a source names it, those of each kind of receiver
    where a receiver does. `providers` and `receivers` are loaders by name, by default the installed
    ones; one that cannot be loaded allows any setting.
    """
    definitions: Schema = {}
    known = installed_providers() if providers is None else providers
    kinds = installed_receivers() if receivers is None else receivers
    general = _form(General, "general", definitions)["properties"]
    schema = {
        "$schema": _DIALECT,
        "title": "inbox-watcher configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "store": general["store"],
            "store_texts": general["store_texts"],
            "least_free": general["least_free"],
            "server": {
                "description": "Status page, metrics and health; false turns them off.",
                "anyOf": [{"const": False}, _settings(Server, "server", definitions)],
            },
            "retention": _settings(Retention, "retention", definitions),
            "network": _settings(NetworkSettings, "network", definitions),
            "heartbeat": {
                "description": "Whom the daemon tells, again and again, that it works.",
                "anyOf": [{"type": "null"}, _settings(Heartbeat, "heartbeat", definitions)],
            },
            "insecure_files": general["insecure_files"],
            "sources": _named(
                "The accounts that are watched, by name.", _sources(known, definitions)
            ),
            "sources_from": _from_tables(definitions),
            "receivers": _named(
                "Where events and messages go, by name.", _receivers(kinds, definitions)
            ),
            "timezone": _given({"properties": general}, "", {})["properties"]["timezone"],
            "templates": _named(
                "Messages that rules name.",
                _given(_form(Template, "template", definitions), "template", definitions),
            ),
            "conditions": _named(
                "CEL conditions, named as conditions.NAME.",
                {"type": "string"},
                CONDITION_NAME_PATTERN,
            ),
            "silences": {
                "type": ["array", "null"],
                "description": "Messages that are not sent for a while, and why.",
                "items": _given(_form(Silence, "silence", definitions), "silence", definitions),
            },
            "rules": {
                "type": ["array", "null"],
                "description": "Which events go to which receivers.",
                "items": _given(_form(Rule, "rule", definitions), "rule", definitions),
            },
        },
    }
    return {**schema, "$defs": definitions}


def _given(schema: Schema, prefix: str, definitions: Schema) -> Schema:
    """Leave null out of a form and of its parts: what is named must be there."""
    parts = [part for name, part in definitions.items() if name.startswith(f"{prefix}.")]
    for part in (schema, *parts):
        for name, value in part.get("properties", {}).items():
            if "default" in value and value["default"] is None:
                del value["default"]
            choices = [one for one in value.get("anyOf", ()) if one != {"type": "null"}]
            if len(choices) == 1:
                part["properties"][name] = {**choices[0], **_without(value, "anyOf")}
            elif choices:
                value["anyOf"] = choices
    return schema


def _without(schema: Schema, key: str) -> Schema:
    return {name: value for name, value in schema.items() if name != key}


def _named(description: str, value: Schema, pattern: str = NAME_PATTERN) -> Schema:
    return {
        "type": ["object", "null"],
        "description": description,
        "propertyNames": {"pattern": pattern},
        "additionalProperties": value,
    }


def _form(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """Return a model's own schema; what it refers to goes to `definitions` under a name of its own."""
    template = f"#/$defs/{prefix}.{{model}}"
    schema: Schema = model.model_json_schema(ref_template=template)
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    schema.pop("title", None)
    for value in schema.get("properties", {}).values():
        value.pop("title", None)  # it only says the key again
        if "default" in value and value["default"] is None:
            del value["default"]
    return schema


def _settings(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """Return the schema of a model whose values may be references."""
    schema = _form(model, prefix, definitions)
    schema["properties"] = {
        name: _or_reference(value) for name, value in schema.get("properties", {}).items()
    }
    return schema


def _or_reference(value: Schema) -> Schema:
    """Allow a reference where a value is not free text anyway."""
    if value.get("type") in ("object", "array") or "$ref" in value or "const" in value:
        return value
    about: Schema = {
        key: value.pop(key) for key in ("description", "default", "examples") if key in value
    }
    return value | about if value == {"type": "string"} else {**about, "anyOf": [value, _REFERENCE]}


def _sources(providers: Mapping[str, ProviderLoader], definitions: Schema) -> Schema:
    common = _settings(Source, "source", definitions)
    # A reference cannot stand for a provider's name.
    common["properties"]["provider"] = {
        "enum": list(providers),
        "description": "The installed providers.",
    }
    branches = []
    for name, loader in providers.items():
        definition = f"source.{name}"
        try:
            own = _settings(loader().settings_model, definition, definitions)
        except PluginUnusable:
            definitions[definition] = {"type": "object"}
        else:
            definitions[definition] = {
                **own,
                "properties": {**common["properties"], **own["properties"]},
                "required": [*common["required"], *own.get("required", [])],
            }
        branches.append(_branch("provider", name, definition))
    properties = {"provider": common["properties"]["provider"]}
    schema: Schema = {"type": "object", "required": ["provider"], "properties": properties}
    return {**schema, "allOf": branches} if branches else schema


def _from_tables(definitions: Schema) -> Schema:
    """Return the schema of `sources_from`: where a column stands, any text is right."""
    settings = {
        name: {"description": value["description"]}
        for part, form in definitions.items()
        if part.startswith("source.")
        for name, value in form.get("properties", {}).items()
        if "description" in value
    }
    definitions["sources_from"] = {
        "type": "object",
        "required": ["file", "name", "provider"],
        "properties": {
            **settings,
            "file": {
                "type": "string",
                "description": "A CSV file; its first row names the columns.",
            },
            "name": {"type": "string", "description": "The source's name, such as `loc-{id}`."},
        },
    }
    one = {"$ref": "#/$defs/sources_from"}
    return {
        "description": "A source for every row of a table; {…} in a setting is a column.",
        "anyOf": [one, {"type": "array", "items": one}, {"type": "null"}],
    }


def _receivers(kinds: Mapping[str, ReceiverLoader], definitions: Schema) -> Schema:
    branches = []
    for name, loader in kinds.items():
        definition = f"receiver.{name}"
        try:
            own = _settings(loader(), definition, definitions)
        except PluginUnusable:
            definitions[definition] = {"type": "object"}
        else:
            # A reference cannot stand for the kind.
            own["properties"]["type"] = {"const": name, "type": "string"}
            definitions[definition] = own
        branches.append(_branch("type", name, definition))
    properties = {"type": {"enum": list(kinds), "description": "What kind of receiver it is."}}
    schema: Schema = {"type": "object", "required": ["type"], "properties": properties}
    return {**schema, "allOf": branches} if branches else schema


def _branch(key: str, value: str, definition: str) -> Schema:
    """Apply a definition where a key has a value: editors then complain about that one alone."""
    return {
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"$ref": f"#/$defs/{definition}"},
    }
