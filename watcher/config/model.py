"""The configuration as the rest of the program sees it: checked, complete, frozen.

Law: values only. Texts that may hold secrets are `SecretText`, whose repr hides them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from watcher.errors import Problem
from watcher.mapping import FieldMapping
from watcher.providers import Provider, ProviderSettings
from watcher.redaction import Visibility
from watcher.rules import Rule, Silence
from watcher.secrets import Redactor, SecretText
from watcher.settings.link import Link
from watcher.settings.values import Address
from watcher.store.address import StoreAddress

__all__ = ["AppriseReceiver", "Config", "Receiver", "Retention", "Server", "Source", "Webhook"]


@dataclass(frozen=True, slots=True)
class Server:
    """Where the embedded server listens; `probes` is a second address for health and metrics."""

    host: str
    port: int
    probes: Address | None = None


@dataclass(frozen=True, slots=True)
class Retention:
    """How long events and settled deliveries are kept."""

    events: timedelta
    deliveries: timedelta


@dataclass(frozen=True, slots=True)
class Source:
    """One account at a provider.

    `settings` is an instance of `provider_class.settings_model`; its `token` is the one of the
    moment of loading, `token.read()` gives the present one. `mapping` is the compiled `fields:`,
    None where there is none. A sweep that lacks more than `hold_rows` rows and more than
    `hold_share` (0 to 1) of the known ones is held. `link` says how it is reached.
    """

    name: str
    provider: str
    provider_class: type[Provider]
    settings: ProviderSettings
    token: SecretText
    poll_every: timedelta
    sweep_every: timedelta
    mapping: FieldMapping | None
    hold_rows: int
    hold_share: float
    timeout: float
    largest_answer: int
    link: Link


@dataclass(frozen=True, slots=True)
class Webhook:
    """A receiver of events.

    Each of `secrets` signs; nothing is signed without any. `timeout` (for the whole exchange) and
    `connect_timeout` are in seconds. `relaxed` is `ordering: relaxed`. `link` says how it is
    reached; its `connections` are `concurrency`. `visibility` says what of an event goes out.
    `limit` is how many requests in how long, None for any number.
    """

    name: str
    url: SecretText
    secrets: tuple[SecretText, ...]
    headers: Mapping[str, SecretText]
    timeout: float
    connect_timeout: float
    link: Link
    visibility: Visibility
    retry: tuple[timedelta, ...]
    relaxed: bool
    limit: tuple[int, timedelta] | None = None


@dataclass(frozen=True, slots=True)
class AppriseReceiver:
    """A receiver of texts. `limit` is how many messages in how long; `visibility` is what of an
    event the texts may tell; `format` is what templates are written in that do not say.
    """

    name: str
    urls: tuple[SecretText, ...]
    limit: tuple[int, timedelta]
    visibility: Visibility
    retry: tuple[timedelta, ...]
    relaxed: bool
    format: Literal["text", "markdown", "html"] = "text"


Receiver = Webhook | AppriseReceiver


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured, in the order of the files.

    `server` is None when it is turned off. `warnings` are problems that do
    not stand in the way. `redactor` knows every secret that was read.
    """

    store: StoreAddress
    server: Server | None
    retention: Retention
    sources: tuple[Source, ...]
    receivers: tuple[Receiver, ...]
    rules: tuple[Rule, ...]
    silences: tuple[Silence, ...]
    files: tuple[Path, ...]
    warnings: tuple[Problem, ...] = ()
    redactor: Redactor = field(default_factory=Redactor, compare=False)
