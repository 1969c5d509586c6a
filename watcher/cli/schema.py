"""`schema`: the JSON Schema of the configuration, for editors, and of what is sent out, for who gets it."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from watcher.cli.commands import ReportingCommand
from watcher.config.json_schema import json_schema

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "schema",
        cls=ReportingCommand,
        epilog="Example: inbox-watcher schema > inbox-watcher.schema.json, and in the YAML file"
        " # yaml-language-server: $schema=inbox-watcher.schema.json",
    )(schema)


def schema(
    what: Annotated[
        Literal["configuration", "events", "asyncapi"],
        typer.Argument(
            help="Of the configuration, or of what is sent out: as a schema, as AsyncAPI."
        ),
    ] = "configuration",
) -> None:
    """Print the configuration's JSON Schema, with which editors complete and check as you type.

    Or print the one of the events that receivers get, alone or as an AsyncAPI document.
    """
    typer.echo(json.dumps(_document(what), indent=2, ensure_ascii=False))


def _document(what: str) -> dict[str, object]:
    match what:
        case "events":
            from watcher.api.event_schema import event_schema

            return event_schema()
        case "asyncapi":
            from watcher.api.asyncapi import asyncapi

            return asyncapi()
    return json_schema()
