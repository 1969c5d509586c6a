"""`schema`: the configuration's JSON Schema, for editors."""

from __future__ import annotations

import json

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


def schema() -> None:
    """Print the configuration's JSON Schema, with which editors complete and check as you type."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
