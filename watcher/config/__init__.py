"""The configuration: YAML files in, one frozen `Config` or every mistake with its place out.

Law: nothing here knows how a source is polled or how a message is sent. The journey of a file is

    files.read        bytes → trees (`yaml`), merged over all files
    texts.Texts       references to secrets in texts → `SecretText`
    validate.validate one part against its pydantic model (`schema`) → problems with places
    sources, receivers, routing, expressions → what the rest of the program uses (`model`)
"""

from __future__ import annotations

from watcher.config.compare import Differences, compare, needs_restart
from watcher.config.discovery import ProviderLoader, ProviderUnusable, installed_providers
from watcher.config.editor import json_schema
from watcher.config.load import load, sound_receivers
from watcher.config.model import (
    AppriseReceiver,
    Config,
    Receiver,
    Retention,
    Server,
    Source,
    Webhook,
)
from watcher.secrets import MissingSecret, Redactor, SecretText
from watcher.settings.values import Address, format_duration, parse_duration

__all__ = [
    "Address",
    "AppriseReceiver",
    "Config",
    "Differences",
    "MissingSecret",
    "ProviderLoader",
    "ProviderUnusable",
    "Receiver",
    "Redactor",
    "Retention",
    "SecretText",
    "Server",
    "Source",
    "Webhook",
    "compare",
    "format_duration",
    "installed_providers",
    "json_schema",
    "load",
    "needs_restart",
    "parse_duration",
    "sound_receivers",
]
