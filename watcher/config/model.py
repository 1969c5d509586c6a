"""The configuration as the rest of the program sees it: checked, complete, frozen.

Rules: values only. What a setting of a source, a receiver or a rule is, is defined where it counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    SkipValidation,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core import InitErrorDetails, PydanticKnownError

from watcher.access import SHORTEST_SECRET, AccessToken, TokenSecret, TrustedHeader, doubles
from watcher.addresses import is_local
from watcher.config.files import Places
from watcher.config.outline import STORE
from watcher.errors import Problem
from watcher.links import LinkAction
from watcher.mapping import FieldMapping, MappingError, compile_mapping, targets
from watcher.notify.receivers import Receiver
from watcher.pipeline.disk import Reserve
from watcher.providers import Provider, ProviderSettings
from watcher.rules import Rule, Silence
from watcher.secrets import Redactor, SecretText
from watcher.settings.base import Context, Mistake, Settings, SettingText, mistakes, wrong
from watcher.settings.calendar_values import Zone
from watcher.settings.durations import format_duration
from watcher.settings.heartbeat import Heartbeat
from watcher.settings.link import USUAL, Link, LinkSettings, Proxy, proxy
from watcher.settings.network import NetworkSettings
from watcher.settings.values import (
    Address,
    Amount,
    Duration,
    HostNames,
    ListenAddress,
    Size,
    Title,
    default_duration,
    is_http_url,
    is_in_the_clear,
    parse_size,
    secret,
)
from watcher.store.address import AddressError, StoreAddress

__all__ = ["Config", "General", "Hold", "Retention", "Server", "Source"]

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


def _address(value: Any) -> StoreAddress:
    if isinstance(value, StoreAddress):
        return value
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if not value:
        raise PydanticKnownError("string_too_short", {"min_length": 1})
    try:
        return StoreAddress.parse(value, value.folder if isinstance(value, SettingText) else None)
    except AddressError as error:
        raise wrong(str(error), error.remedy) from None


def _reserve(value: Any) -> Reserve:
    if isinstance(value, Reserve):
        return value
    text = str(value).strip() if isinstance(value, str | int) else ""
    if text == "0":
        return Reserve(size=0)
    try:
        if text.endswith("%") and 0 <= int(text[:-1]) <= 50:
            return Reserve(share=int(text[:-1]) / 100, most=None)
        return Reserve(size=parse_size(text))
    except ValueError:
        raise wrong(
            "is neither a share (up to 50%) nor a size", "write 5% or 2GiB; 0 keeps nothing free"
        ) from None


class General(Settings):
    """The keys that stand by themselves at the top of a file."""

    store: Annotated[
        StoreAddress,
        PlainValidator(_address),
        WithJsonSchema({"type": "string", "minLength": 1}),
    ] = Field(
        default_factory=lambda: StoreAddress.parse(STORE),
        json_schema_extra={"default": STORE},
        description="Path of the SQLite file; a relative one starts at the folder of this file.",
    )
    store_texts: bool = Field(
        default=True,
        strict=True,
        description="Whether what people write is stored and sent; if not, only that they wrote.",
    )
    least_free: Annotated[
        Reserve,
        PlainValidator(_reserve),
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^(\d+%|[1-9]\d*(K|M|G)i?B|0)$",
                "examples": ["5%", "2GiB"],
            }
        ),
    ] = Field(
        default_factory=Reserve,
        json_schema_extra={"default": "5%"},
        description="What is kept free of the store's disk, a share or a size; 5%, but 1GiB at most,"
        " unless it is set. With less, sources that write much wait.",
    )
    timezone: Zone | None = Field(
        default=None,
        description="Time zone of hours, digests and silences without one of their own, and of the"
        " times that people read.",
    )
    insecure_files: bool = Field(
        default=False,
        description="Accepts configuration and secret files that other users may change or read:"
        " nothing warns of them any more.",
    )


_DEFAULT_LAST = "7d"


def _check_key(value: str) -> None:
    if len(value.encode()) < SHORTEST_SECRET:
        raise wrong(
            f"is too short to sign with: {SHORTEST_SECRET} bytes at least",
            "`openssl rand -base64 32` makes one",
        )


_Key = Annotated[SecretText | None, secret(_check_key)]


class LinkTimes(Settings):
    """Links in messages: how long they work, and what signs them."""

    ack: Duration = default_duration(
        _DEFAULT_LAST, ge=_MINUTE, description="How long a link works that takes a conversation."
    )
    silence: Duration = default_duration(
        "24h", ge=_MINUTE, description="How long a link works that silences a conversation."
    )
    show: Duration = default_duration(
        _DEFAULT_LAST, ge=_MINUTE, description="How long a link works that only shows something."
    )
    key: _Key = Field(
        default=None, description="What signs links; without it a key of the store's own."
    )
    previous_key: _Key = Field(
        default=None, description="The key before, whose links work until they end."
    )

    @property
    def lasts(self) -> Mapping[LinkAction, timedelta]:
        """How long the links of each action work."""
        return {"ack": self.ack, "silence": self.silence, "why": self.show, "open": self.show}


def _public_url(value: str) -> str:
    if not is_http_url(value) or any(sign in value for sign in "?#@\\ "):
        raise wrong(
            "is no address of a server",
            "write https://watcher.example.com, with a path if a proxy serves it below one",
        )
    return value.rstrip("/")


LOGIN = "write `token: ${WATCHER_TOKEN}`, `tokens`, or `trusted_header`"


class Server(Settings):
    """The embedded server: pages, API, metrics and health."""

    listen: ListenAddress = Field(
        default=Address("127.0.0.1", 8484),
        description="Address and port of pages, API, metrics and health.",
        json_schema_extra={"default": "127.0.0.1:8484"},
    )
    probes: ListenAddress | None = Field(
        default=None,
        description="A second address for health and metrics alone, such as 0.0.0.0:8485.",
    )
    hosts: HostNames = Field(
        default=(),
        description="More names that requests to `listen` may call the server by, such as"
        " watcher.example.com behind a proxy.",
    )

    metrics_sources: int = Field(
        default=500,
        ge=0,
        le=100_000,
        description="Sources that have metrics of their own; of more, those that do not stand well.",
    )
    public_url: Annotated[str, AfterValidator(_public_url)] | None = Field(
        default=None,
        description="The address by which people reach `listen`, such as https://watcher.example.com:"
        " with it, messages have links.",
    )
    links: Annotated[
        LinkTimes | None, BeforeValidator(lambda value: None if value is False else value)
    ] = Field(
        default_factory=LinkTimes,
        json_schema_extra={"default": {}},
        description="How long links in messages work; false: there are none.",
    )

    token: TokenSecret | None = Field(default=None, description="The token of one operator.")
    tokens: tuple[AccessToken, ...] = Field(
        default=(), max_length=1000, description="More tokens, each for somebody."
    )
    trusted_header: TrustedHeader | None = Field(
        default=None, description="A header of a proxy that has signed people in."
    )
    reading: Literal["signed-in", "open"] = Field(
        default="signed-in",
        description="Who may read names and texts: whoever has signed in, or (`open`, on loopback alone)"
        " everybody.",
    )

    insecure: bool = Field(
        default=False,
        description="Accepts that other machines reach it without TLS: nothing warns of it any more.",
    )

    @model_validator(mode="after")
    def _for_somebody(self) -> Self:
        found = [*doubles(self.token, self.tokens)]
        login = self.token is not None or self.tokens or self.trusted_header
        if not self.listen.local and not login:
            found.append(
                Mistake(
                    "can be reached from other machines, and nothing asks them who they are",
                    f"{LOGIN}; or listen on 127.0.0.1 (for health and metrics alone there is `probes`)",
                    ("listen",),
                    beside=("token", "tokens", "trusted_header"),
                )
            )
        own = urlsplit(self.public_url).hostname if self.public_url else None
        outside = not self.listen.local or (own is not None and not is_local(own))
        if self.reading == "open" and outside:
            found.append(
                Mistake(
                    "lets everybody read names and texts who reaches it from other machines",
                    "remove it, or listen on 127.0.0.1, without a `public_url` of another machine",
                    ("reading",),
                )
            )
        if found:
            raise mistakes(found)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names by which requests may call it, beside its address."""
        own = urlsplit(self.public_url).hostname if self.public_url else None
        return (*self.hosts, own) if own else self.hosts

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield that others can read on the way what the server answers, or its links."""
        clear = self.public_url and is_in_the_clear(self.public_url)
        if clear and self.links and not self.insecure:
            yield Mistake(
                "is without TLS: who listens in between can use the links of messages",
                "write https://…, with a proxy in front that has a certificate, or accept it with"
                " `insecure: true`",
                ("public_url",),
                weak=True,
            )
        if not self.listen.local and not self.insecure:
            yield Mistake(
                "can be reached from other machines without TLS: who listens in between reads tokens"
                " and pages",
                "listen on 127.0.0.1, with a proxy in front that has a certificate, or accept it with"
                " `insecure: true`",
                ("listen",),
                weak=True,
            )


class Retention(Settings):
    """How long events and settled deliveries are kept."""

    events: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which events are removed."
    )
    deliveries: Duration = default_duration(
        "30d", ge=_MINUTE, description="Age at which settled deliveries are removed."
    )
    pending: Duration | None = Field(
        default=None,
        ge=_DAY,
        description="Age at which a delivery that could not be sent is given up; never without it.",
    )


_HEADER_TOKEN = re.compile(r"[!-~]+\Z")


class Hold(Settings):
    """How many rows a complete sweep may lack before it is held: both must be exceeded."""

    rows: int = Field(
        default=20, ge=0, description="Up to this many missing rows, a sweep is never held."
    )
    percent: float = Field(
        default=10,
        ge=0,
        le=100,
        description="Up to this share of missing rows, a sweep is never held.",
    )


_HOLD = Hold()
"""The usual one, which thousands of sources share."""


def _check_token(value: str) -> None:
    if value and not _HEADER_TOKEN.match(value):
        raise wrong(
            "has white space or a character outside ASCII in it",
            "write the token alone, without quotes or line breaks around it",
        )


def _mapping(value: Any) -> FieldMapping | None:
    """Compile `fields`; every wrong one is reported at its own key."""
    if value is None or isinstance(value, FieldMapping):
        return value
    if not isinstance(value, Mapping):
        raise PydanticKnownError("dict_type")
    texts = {name: text for name, text in value.items() if isinstance(text, str)}
    details = [
        InitErrorDetails(type="string_type", loc=(name,), input=None)
        for name in value
        if name not in texts
    ]
    mapping = None
    try:
        mapping = compile_mapping(texts) if texts else None
    except MappingError as error:
        for one in (error, *error.others):
            remedy = f"did you mean `{one.suggestion}`?" if one.suggestion else ""
            details.append(Mistake(f": {one.message}", remedy, (one.field,)).details)
    if details:
        raise ValidationError.from_exception_data("fields", details)
    return mapping


_NONE = SecretText.literal("")
_Token = Annotated[SecretText, secret(_check_token)]
_Mapping = Annotated[
    FieldMapping | None,
    PlainValidator(_mapping),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}}),
]


class Source(LinkSettings):
    """One account at a provider; the provider's own settings stand beside these."""

    name: SkipJsonSchema[str]
    provider_class: SkipJsonSchema[SkipValidation[type[Provider]]]
    settings: SkipJsonSchema[SkipValidation[ProviderSettings]]
    """An instance of `provider_class.settings_model`, as it was when it was loaded."""

    token: SkipJsonSchema[_Token] = Field(default_factory=lambda: _NONE)
    """Returns the token of the moment; the one in `settings` is that of loading."""

    provider: str = Field(min_length=1, description="Name of an installed provider.")
    poll_every: Duration = default_duration(
        "30s", ge=_SECOND, description="Interval of the fast look for recent activity."
    )
    sweep_every: Duration = default_duration(
        "15m", ge=_SECOND, description="Interval of the complete walk, which finds every change."
    )
    timeout: Duration = default_duration(
        "60s",
        ge=_SECOND,
        le=timedelta(minutes=10),
        description="Time for one request, its answer included.",
    )
    largest_answer: Size = Field(
        default=32 * 2**20,
        json_schema_extra={"default": "32MiB"},
        description="An unpacked answer larger than this is not read, from 64KiB to 1024MiB.",
    )
    most_conversations: int = Field(
        default=1_000_000,
        ge=1,
        description="With so many conversations known, no more are taken in; `source.held` tells.",
    )
    most_bytes: Amount = Field(
        default=4 * 2**30,
        json_schema_extra={"default": "4GiB"},
        description="With so many bytes of what is known of them stored, likewise.",
    )
    mapping: _Mapping = Field(
        default=None,
        alias="fields",
        description="Canonical fields taken from the provider's raw row with JMESPath,"
        " for instance `disposition: custom_attributes.outcome`.",
    )
    people: Mapping[str, Title] = Field(
        default_factory=dict,
        description="Names for user ids that the provider shows without one, by id.",
    )
    hold: Hold = Field(default_factory=lambda: _HOLD, description="When a sweep is implausible.")
    proxy: Proxy = proxy("environment")

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield that the token goes out in the clear, or that no row has anybody to name."""
        yield from super().warnings(context)
        yield from self.weak_address("base_url", self.settings.base_url if self.settings else "")
        if not self.people or not self.provider_class:  # one that is not installed
            return
        shown = {"assignee", "team"} - self.provider_class.coverage.never
        mapped = any(one.partition(".")[0] in ("assignee", "team") for one in targets(self.mapping))
        if not shown and not mapped:
            yield Mistake(
                f": {self.provider} shows nobody's id, so these names stand nowhere",
                "remove it, or map `assignee` with `fields:`",
                ("people",),
            )

    @property
    def names(self) -> Mapping[str, str] | None:
        """Names by user id; None where the names are those that the provider shows."""
        unnamed = "assignee.name" in self.provider_class.coverage.never
        return self.people if self.people or unnamed else None

    @model_validator(mode="after")
    def _sweep_after_polls(self) -> Self:
        if self.sweep_every < self.poll_every:
            if "sweep_every" in self.model_fields_set:
                remedy = f"write `{format_duration(self.poll_every)}` or more"
                message = "is shorter than `poll_every`"
                raise mistakes([Mistake(message, remedy, ("sweep_every",), beside=("poll_every",))])
            # The default gives way to a slower poll.
            self.__dict__["sweep_every"] = self.poll_every
        return self

    @property
    def link(self) -> Link:
        """How it is reached; the usual link is shared."""
        own = LinkSettings.model_fields.keys() & self.model_fields_set
        return self.link_with() if own else USUAL


@dataclass(frozen=True, slots=True)
class Config:
    """Everything that was configured, in the order of the files."""

    store: StoreAddress
    """Where the watcher keeps what it knows."""

    server: Server | None
    """None where it is turned off."""

    retention: Retention
    """How long events and deliveries are kept."""

    network: NetworkSettings
    """Where connections may go."""

    sources: tuple[Source, ...]
    """The accounts that are watched."""

    receivers: tuple[Receiver, ...]
    """Where messages go."""

    rules: tuple[Rule, ...]
    """Which events go to which receivers, in the order in which they are asked."""

    silences: tuple[Silence, ...]
    """What is not reported for a while."""

    timezone: ZoneInfo | None
    """The zone of times without one of their own, None where none is configured."""

    store_texts: bool
    """Whether what people write is kept."""

    files: tuple[Path, ...]
    """The files that were read."""

    heartbeat: Heartbeat | None = None
    """Whom the daemon tells that it works."""

    least_free: Reserve = field(default_factory=Reserve)
    """What is kept free of the store's disk."""

    sound: bool = True
    """False where parts with mistakes were left out: not for running."""

    warnings: tuple[Problem, ...] = ()
    """Problems that do not stand in the way."""

    weak: tuple[Problem, ...] = ()
    """Those of the warnings that are about protection."""

    redactor: Redactor = field(default_factory=Redactor, compare=False)
    """Knows every secret that was read."""

    places: Places = field(default_factory=Places, compare=False)
    """Where each part of the configuration stands."""

    @classmethod
    def unread(cls, store: StoreAddress) -> Config:
        """Return what is known where no file was read: the store."""
        return cls(
            store=store,
            server=None,
            retention=Retention(),
            network=NetworkSettings(),
            sources=(),
            receivers=(),
            rules=(),
            silences=(),
            timezone=None,
            store_texts=True,
            files=(),
            sound=False,
        )
