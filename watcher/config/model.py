"""The configuration as the rest of the program sees it: checked, complete, frozen.

Rules: values only. What a setting of a source, a receiver or a rule is, is defined where it counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticKnownError

from watcher.config.files import Places
from watcher.config.sources import Source
from watcher.errors import Problem
from watcher.notify.receivers import Receiver
from watcher.rules import Rule, Silence
from watcher.secrets import Redactor
from watcher.settings.base import Settings, wrong
from watcher.settings.calendar import Zone
from watcher.settings.values import Address, Duration, ListenAddress, default_duration
from watcher.store.address import AddressError, StoreAddress

__all__ = ["Config", "General", "Retention", "Server"]

_MINUTE = timedelta(minutes=1)


def _address(value: Any) -> StoreAddress:
    if isinstance(value, StoreAddress):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    try:
        return StoreAddress.parse(value)
    except AddressError as error:
        raise wrong(str(error), error.remedy) from None


class General(Settings):
    """The keys that stand by themselves at the top of a file."""

    store: Annotated[
        StoreAddress,
        PlainValidator(_address),
        WithJsonSchema({"type": "string", "minLength": 1}),
    ] = Field(
        default_factory=lambda: StoreAddress.parse("inbox-watcher.db"),
        json_schema_extra={"default": "inbox-watcher.db"},
        description="Path of the SQLite file; a relative one starts at the working directory.",
    )
    timezone: Zone | None = Field(
        default=None,
        description="Time zone of hours, digests and silences without one of their own.",
    )


class Server(Settings):
    """The embedded server: metrics and health."""

    listen: ListenAddress = Field(
        default=Address("127.0.0.1", 8484),
        description="Address and port of metrics and health.",
        json_schema_extra={"default": "127.0.0.1:8484"},
    )
    probes: ListenAddress | None = Field(
        default=None,
        description="A second address for health and metrics alone, such as 0.0.0.0:8485.",
    )


class Retention(Settings):
    """How long events and settled deliveries are kept."""

    events: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which events are removed."
    )
    deliveries: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which settled deliveries are removed."
    )


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured, in the order of the files."""

    store: StoreAddress
    """Where the watcher keeps what it knows."""

    server: Server | None
    """None where it is turned off."""

    retention: Retention
    """How long events and deliveries are kept."""

    sources: tuple[Source, ...]
    """The accounts that are watched."""

    receivers: tuple[Receiver, ...]
    """Where messages go."""

    rules: tuple[Rule, ...]
    """Which events go to which receivers, in the order in which they are asked."""

    silences: tuple[Silence, ...]
    """What is not reported for a while."""

    files: tuple[Path, ...]
    """The files that were read."""

    warnings: tuple[Problem, ...] = ()
    """Problems that do not stand in the way."""

    redactor: Redactor = field(default_factory=Redactor, compare=False)
    """Knows every secret that was read."""

    places: Places = field(default_factory=Places, compare=False)
    """Where each part of the configuration stands."""
