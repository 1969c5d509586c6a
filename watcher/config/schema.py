"""The form of the configuration file, as pydantic models: for checking it and for editors.

Law: form only. What one part of the file says about another (a receiver's name in a rule), what
comes from providers and what expressions mean is checked where the parts come together.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

from pydantic import Field

from watcher.config.checks import (
    AppriseUrl,
    FilePath,
    Headers,
    ProxyAddress,
    RedactedPath,
    StorePath,
    WebhookSecret,
    WebhookUrl,
)
from watcher.settings.base import Settings
from watcher.settings.values import (
    Address,
    Duration,
    Limit,
    ListenAddress,
    Size,
    default_duration,
    parse_duration,
)

__all__ = [
    "RECEIVER_FORMS",
    "AppriseForm",
    "HoldForm",
    "LinkForm",
    "RetentionForm",
    "ServerForm",
    "SourceForm",
    "StoreForm",
    "WebhookForm",
]

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)


def _schedule(*texts: str) -> Any:
    """Give the default of a schedule of retries."""
    return Field(
        default=tuple(map(parse_duration, texts)),
        max_length=100,
        json_schema_extra={"default": list(texts)},
        description="Pauses between attempts, each ±10 %; when they are used up, a delivery is dead.",
    )


class StoreForm(Settings):
    """Where the watcher keeps what it knows."""

    store: StorePath = Field(
        default="inbox-watcher.db",
        description="Path of the SQLite file; a relative one starts at the working directory.",
    )


class ServerForm(Settings):
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


class RetentionForm(Settings):
    """How long events and settled deliveries are kept."""

    events: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which events are removed."
    )
    deliveries: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which settled deliveries are removed."
    )


class HoldForm(Settings):
    """How many rows a complete sweep may lack before it is held: both must be exceeded."""

    rows: int = Field(default=20, ge=0, description="So many rows are never too many.")
    percent: float = Field(
        default=10, ge=0, le=100, description="This share of the known rows is never too much."
    )


class LinkForm(Settings):
    """How the other side is reached; the same for sources and webhooks."""

    ca_file: FilePath = Field(
        default="", description="PEM file of the certificate authorities to trust, and no others."
    )
    client_cert: FilePath = Field(
        default="", description="PEM file of the certificate that says who we are."
    )
    client_key: FilePath = Field(
        default="", description="PEM file of its key; without it, it is in client_cert too."
    )
    client_key_password: str = Field(default="", description="The key's password.")
    proxy: ProxyAddress = Field(
        default="direct",
        description="http://host:port; `environment`: what HTTPS_PROXY and its kin say; `direct`: none.",
    )
    tls_verify: bool = Field(
        default=True, description="false takes any certificate, and warns loudly."
    )


class SourceForm(LinkForm):
    """One account at a provider; the provider's own settings stand beside these."""

    provider: str = Field(min_length=1, description="Name of an installed provider.")
    poll_every: Duration = default_duration(
        "30s", ge=_SECOND, description="Interval of the fast look for recent activity."
    )
    sweep_every: Duration = default_duration(
        "15m", ge=_SECOND, description="Interval of the complete walk, which finds every change."
    )
    timeout: Duration = default_duration(
        "60s", ge=_SECOND, le=10 * _MINUTE, description="Time for one request, its answer included."
    )
    largest_answer: Size = Field(
        default=32 * 2**20,
        json_schema_extra={"default": "32MiB"},
        description="An unpacked answer larger than this is not read, from 64KiB to 1024MiB.",
    )
    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Canonical fields taken from the provider's raw row with JMESPath,"
        " for instance `disposition: custom_attributes.outcome`.",
    )
    hold: HoldForm = Field(default_factory=HoldForm, description="When a sweep is implausible.")
    proxy: ProxyAddress = Field(
        default="environment",
        description="http://host:port; `environment`: what HTTPS_PROXY and its kin say; `direct`: none.",
    )


class WebhookForm(LinkForm):
    """A receiver of events as signed HTTP requests (Standard Webhooks, CloudEvents)."""

    type: Literal["webhook"]
    url: WebhookUrl = Field(description="Where events are posted; redirects are not followed.")
    secret: WebhookSecret = Field(
        default="", description="Signing secret, `whsec_` and base64; without it nothing is signed."
    )
    secrets: tuple[WebhookSecret, ...] = Field(
        default=(),
        min_length=1,
        max_length=10,
        description="Several, each of which signs: while one replaces another; instead of secret.",
    )
    headers: Headers = Field(default_factory=dict, description="Further headers.")
    timeout: Duration = default_duration(
        "10s", ge=timedelta(milliseconds=1), le=5 * _MINUTE, description="Time for one attempt."
    )
    connect_timeout: Duration = default_duration(
        "10s",
        ge=timedelta(milliseconds=1),
        le=5 * _MINUTE,
        description="Time for the connection alone, within `timeout`.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=100, description="How many requests may be under way at once."
    )
    limit: Limit | None = Field(
        default=None,
        description="How many requests in how long, such as 30/1m; what exceeds it becomes one digest.",
    )
    retry: tuple[Duration, ...] = _schedule(
        "5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"
    )
    payload: Literal["full", "thin"] = Field(
        default="full", description="`thin` sends ids only, no personal data."
    )
    redact: tuple[RedactedPath, ...] = Field(
        default=(),
        max_length=100,
        description="Fields of `conversation` that this receiver never sees, such as contact.email.",
    )
    ordering: Literal["strict", "relaxed"] = Field(
        default="strict",
        description="`relaxed` lets later deliveries of a conversation pass one that failed thrice.",
    )


class AppriseForm(Settings):
    """A receiver of texts for people: anything that Apprise can reach."""

    type: Literal["apprise"]
    url: AppriseUrl = Field(default="", description="One Apprise URL.")
    urls: tuple[AppriseUrl, ...] = Field(
        default=(),
        min_length=1,
        max_length=100,
        description="Several, all sent to; instead of url.",
    )
    limit: Limit = Field(
        default=(30, _MINUTE),
        description="How many messages in how long; what exceeds it becomes one digest.",
        json_schema_extra={"default": "30/1m"},
    )
    format: Literal["text", "markdown", "html"] = Field(
        default="text",
        description="What templates are written in, where the message itself does not say.",
    )
    retry: tuple[Duration, ...] = _schedule("5s", "1m", "5m", "30m", "2h")
    redact: tuple[RedactedPath, ...] = Field(
        default=(),
        max_length=100,
        description="Fields of `conversation` that this receiver never sees, such as contact.email.",
    )
    ordering: Literal["strict", "relaxed"] = Field(
        default="strict",
        description="`relaxed` lets later deliveries of a conversation pass one that failed thrice.",
    )


RECEIVER_FORMS: dict[str, type[WebhookForm] | type[AppriseForm]] = {
    "webhook": WebhookForm,
    "apprise": AppriseForm,
}
"""The forms of receivers by `type`."""
