"""The form of a file of rule tests, as pydantic models.

Law: form only; what its times and conversations mean is read by `watcher.config.rule_tests`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from watcher.catalogue.events import EVENT_TYPES
from watcher.settings.base import Settings
from watcher.settings.calendar import Zone
from watcher.settings.values import OneOrMore, reads

__all__ = ["CaseForm", "ExpectForm", "FileForm", "StepForm"]

START = "2026-01-05 09:00"
"""A Monday, for tests that do not say when they begin."""

_At = Annotated[
    str, reads(lambda text: text, "a time", "write 15m (since the start) or 2026-01-05 18:30")
]


class FileForm(Settings):
    """The whole file."""

    rules: OneOrMore = Field(default=())
    timezone: Zone | None = None
    tests: list[dict[str, Any]] = Field(min_length=1)


class CaseForm(Settings):
    """One test."""

    name: str = Field(min_length=1)
    start: str = START
    until: str = ""
    timezone: Zone | None = None
    receivers: OneOrMore = Field(default=())
    events: list[dict[str, Any]] = Field(min_length=1)
    expect: list[dict[str, Any]]


class StepForm(Settings):
    """Something that happens."""

    at: _At
    type: Literal[EVENT_TYPES] | None = None  # type: ignore[valid-type]  # the words of the contract
    source: str = ""
    conversation: dict[str, Any] = Field(default_factory=dict)
    reason: str = ""
    ack: bool = False


class ExpectForm(Settings):
    """A message that is to be sent."""

    at: _At
    receiver: str = Field(min_length=1)
    rule: str | None = None
    type: Literal[(*EVENT_TYPES, "watcher.digest")] | None = None  # type: ignore[valid-type]  # as above
    conversation: str | None = None
    contains: OneOrMore = Field(default=())
    lacks: OneOrMore = Field(default=())
