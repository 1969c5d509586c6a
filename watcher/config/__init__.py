"""The configuration: YAML files in, one frozen `Config` or every mistake with its place out.

Rules: nothing here knows how a source is polled or how a message is sent. The journey of a file is

    files.read          bytes → trees (`yaml`, `tree`), all files as one document
    texts.Texts         references to secrets in texts → `SecretText`
    validate.validate   one part → its model, which lives with what it configures; or problems with
                        their places
    references          what the parts say about each other, which validators ask
    load                all of it, in the right order → `Config` (`model`)
"""

from __future__ import annotations

from watcher.config.compare import Differences, compare, needs_restart
from watcher.config.discovery import (
    PluginUnusable,
    ProviderLoader,
    ReceiverLoader,
    installed_providers,
    installed_receivers,
)
from watcher.config.json_schema import json_schema
from watcher.config.load import Inspection, inspect_files, load
from watcher.config.model import Config, Source

__all__ = [
    "Config",
    "Differences",
    "Inspection",
    "PluginUnusable",
    "ProviderLoader",
    "ReceiverLoader",
    "Source",
    "compare",
    "inspect_files",
    "installed_providers",
    "installed_receivers",
    "json_schema",
    "load",
    "needs_restart",
]
