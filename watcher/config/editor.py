"""The configuration's JSON Schema, with which editors complete and check the file as it is typed.

Law: derived from the models that check the file; nothing is said twice. Where the file may hold
a secret's reference, the schema allows any text with `${`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from watcher.config.discovery import ProviderLoader, ProviderUnusable, installed_providers
from watcher.config.schema import (
    RECEIVER_FORMS,
    RetentionForm,
    ServerForm,
    SourceForm,
    StoreForm,
)
from watcher.rules import Rule, Silence, Template
from watcher.settings.values import CONDITION_NAME_PATTERN, NAME_PATTERN

__all__ = ["json_schema"]

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{", "title": "Reference to a secret"}

Schema = dict[str, Any]


def json_schema(providers: Mapping[str, ProviderLoader] | None = None) -> Schema:
    """Give the JSON Schema (draft 2020-12) of a configuration file.

    The settings of each provider apply where a source names it. `providers` are loaders by name,
    by default the installed ones; one that cannot be loaded allows any setting.
    """
    definitions: Schema = {}
    known = installed_providers() if providers is None else providers
    schema = {
        "$schema": _DIALECT,
        "title": "inbox-watcher configuration",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "store": _form(StoreForm, "store", definitions)["properties"]["store"],
            "server": {
                "description": "Status page, metrics and health; false turns them off.",
                "anyOf": [{"const": False}, _settings(ServerForm, "server", definitions)],
            },
            "retention": _settings(RetentionForm, "retention", definitions),
            "sources": _named(
                "The accounts that are watched, by name.", _sources(known, definitions)
            ),
            "receivers": _named("Where events and messages go, by name.", _receivers(definitions)),
            "timezone": {
                "type": "string",
                "description": "Time zone of hours, digests and silences without one of their own.",
                "examples": ["Europe/Berlin", "UTC"],
            },
            "templates": _named(
                "Messages that rules name.", _form(Template, "template", definitions)
            ),
            "conditions": _named(
                "CEL conditions, named as conditions.NAME.",
                {"type": "string"},
                CONDITION_NAME_PATTERN,
            ),
            "silences": {
                "type": ["array", "null"],
                "description": "What is not told for a while, and why.",
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
    """Give a model's own schema; what it refers to goes to `definitions` under a name of its own."""
    template = f"#/$defs/{prefix}.{{model}}"
    schema: Schema = model.model_json_schema(ref_template=template)
    for name, definition in schema.pop("$defs", {}).items():
        definitions[f"{prefix}.{name}"] = definition
    schema.pop("title", None)
    for value in schema.get("properties", {}).values():
        value.pop("title", None)  # it only says the key again
    return schema


def _settings(model: type[BaseModel], prefix: str, definitions: Schema) -> Schema:
    """Give the schema of a model whose values may be references."""
    schema = _form(model, prefix, definitions)
    schema["properties"] = {
        name: _or_reference(value) for name, value in schema.get("properties", {}).items()
    }
    return schema


def _or_reference(value: Schema) -> Schema:
    """Allow a reference where a value is not free text anyway."""
    if value.get("type") in ("object", "array") or "$ref" in value or "const" in value:
        return value
    said: Schema = {
        key: value.pop(key) for key in ("description", "default", "examples") if key in value
    }
    return value | said if value == {"type": "string"} else {**said, "anyOf": [value, _REFERENCE]}


def _sources(providers: Mapping[str, ProviderLoader], definitions: Schema) -> Schema:
    common = _settings(SourceForm, "source", definitions)
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
        except ProviderUnusable:
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


def _receivers(definitions: Schema) -> Schema:
    branches = []
    for name, model in RECEIVER_FORMS.items():
        definition = f"receiver.{name}"
        definitions[definition] = _settings(model, definition, definitions)
        branches.append(_branch("type", name, definition))
    definitions["receiver.apprise"]["oneOf"] = [{"required": ["url"]}, {"required": ["urls"]}]
    properties = {
        "type": {"enum": list(RECEIVER_FORMS), "description": "What kind of receiver it is."}
    }
    return {"type": "object", "required": ["type"], "properties": properties, "allOf": branches}


def _branch(key: str, value: str, definition: str) -> Schema:
    """Apply a definition where a key has a value: editors then complain about that one alone."""
    return {
        "if": {"properties": {key: {"const": value}}, "required": [key]},
        "then": {"$ref": f"#/$defs/{definition}"},
    }
