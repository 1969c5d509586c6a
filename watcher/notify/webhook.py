"""Webhooks: the event itself, posted and signed by the Standard Webhooks specification.

Rules: one attempt, no network of its own (`Network` has it), nothing kept. `read_answer`, which
decides what an answer means, is pure.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import anyio
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from watcher.errors import WatcherError
from watcher.http import retry_after
from watcher.model import Result
from watcher.notify import Notice, Post
from watcher.notify.cutting import cut
from watcher.notify.receivers import Network, Receiver, ReceiverPlan, fingerprint, retry_schedule
from watcher.pipeline import Policy
from watcher.records import HttpReply
from watcher.redaction import Visibility
from watcher.secrets import SecretText, is_sensitive
from watcher.settings.base import Context, Mistake, SettingText, not_both, wrong
from watcher.settings.link import Link, LinkSettings
from watcher.settings.values import (
    Duration,
    Limit,
    Size,
    default_duration,
    is_bare_address,
    is_http_url,
    secret,
)

__all__ = ["WebhookNotifier", "WebhookReceiver", "read_answer"]

CONTENT_TYPE = "application/cloudevents+json"
"""CloudEvents 1.0, HTTP binding 3.2: structured mode."""

LONGEST_WISH = 7 * 86400.0
"""Seconds; a `Retry-After` beyond that is a mistake of the receiver, and counts as so much."""

SLACK = timedelta(seconds=30)
"""What a lease is longer than an attempt may take."""

LARGEST = 256 * 2**10
"""Bytes of a body, unless `largest` says otherwise."""

SHORTEST_KEY = 24
"""Bytes of a secret, by the specification; shorter ones can be guessed."""

HIDDEN = "***"
NOTE_LENGTH = 200
EXCERPT_LENGTH = 500
"""Characters that are kept of what a receiver answered: in one line, and as it stands."""


_REFUSALS = frozenset({400, 404, 405, 406, 411, 413, 414, 415, 422, 431})
"""Statuses that are about the request; all others are about the receiver."""

_RESERVED_HEADERS = frozenset(
    {
        "connection", "content-length", "content-type", "expect", "host", "te", "trailer",
        "transfer-encoding", "upgrade",
    }
)  # fmt: skip
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"(?:[!-~](?:[ \t!-~]*[!-~])?)?\Z")


def _check_url(value: str) -> None:
    if not is_http_url(value):
        raise wrong("is not an http:// or https:// URL", "write https://host/path")
    if re.search(r"[^!-~]", value):
        raise wrong("is not a URL: it has white space or a character to be percent-encoded in it")


def _check_secret(value: str) -> None:
    """Check what Standard Webhooks calls a symmetric secret: `whsec_` and base64."""
    remedy = "write `whsec_` followed by base64; `openssl rand -base64 32` makes one"
    if not value.startswith("whsec_"):
        raise wrong("is not a Standard Webhooks secret: it does not begin with whsec_", remedy)
    try:
        key = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise wrong("is not a Standard Webhooks secret: what follows whsec_ is not base64", remedy)
    if len(key) < SHORTEST_KEY:
        raise wrong(
            f"is too short: a Standard Webhooks secret has {SHORTEST_KEY} bytes or more", remedy
        )


def _header_name(name: str) -> str:
    # Names are keys of the file, never secrets, so they may be repeated.
    if not _HEADER_NAME.match(name):
        raise wrong(f"`{name}` cannot be the name of a header", "use letters, digits and -")
    if name.lower() in _RESERVED_HEADERS or name.lower().startswith("webhook-"):
        raise wrong(f"the header {name} is set by inbox-watcher itself", "remove it")
    return name


def _check_header(value: str) -> None:
    if not _HEADER_VALUE.match(value):
        raise wrong(
            "has a line break, a space at an end or a character outside ASCII in it",
            "headers take printable ASCII only",
        )


def _hide_sensitive(headers: Any) -> Any:
    """Make values of headers such as `Authorization` known to the redactor."""
    for name, value in headers.items() if isinstance(headers, Mapping) else ():
        if isinstance(value, SettingText) and is_sensitive(str(name)):
            value.secret.keep_secret(value.known)
    return headers


def _distinct(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    if len({name.lower() for name in headers}) < len(headers):
        raise wrong("has a header twice, in capitals and in small letters", "keep one of them")
    return headers


_Url = Annotated[SecretText, secret(_check_url, url=True, bare=is_bare_address)]
_SecretSchema = WithJsonSchema(
    {"type": "string", "pattern": r"^whsec_[A-Za-z0-9+/]{32,}={0,2}$|\$\{.+\}"}
)
_Secret = Annotated[SecretText, secret(_check_secret), _SecretSchema]
_OneSecret = Annotated[SecretText | None, secret(_check_secret), _SecretSchema]
_Headers = Annotated[
    dict[
        Annotated[str, AfterValidator(_header_name)],
        Annotated[SecretText, secret(_check_header, hide=False)],
    ],
    BeforeValidator(_hide_sensitive),
    AfterValidator(_distinct),
]
_SHORTEST, _LONGEST = timedelta(milliseconds=1), timedelta(minutes=5)


class WebhookReceiver(Receiver, LinkSettings):
    """A receiver of events as signed HTTP requests (Standard Webhooks, CloudEvents)."""

    text: ClassVar[bool] = False

    url: _Url = Field(description="Where events are posted; redirects are not followed.")
    secret: _OneSecret = Field(
        default=None,
        description="Signing secret, `whsec_` and base64; without it nothing is signed.",
    )
    secrets: tuple[_Secret, ...] = Field(
        default=(),
        min_length=1,
        max_length=10,
        description="Several, each of which signs: while one replaces another; instead of secret.",
    )
    headers: _Headers = Field(default_factory=dict, description="Further headers.")
    timeout: Duration = default_duration(
        "10s", ge=_SHORTEST, le=_LONGEST, description="Time for one attempt."
    )
    connect_timeout: Duration = default_duration(
        "10s",
        ge=_SHORTEST,
        le=_LONGEST,
        description="Time for the connection alone, within `timeout`.",
    )
    concurrency: int = Field(
        default=8, ge=1, le=100, description="How many requests may be under way at once."
    )
    limit: Limit | None = Field(
        default=None,
        description="How many requests in how long, such as 30/1m; what exceeds it becomes one digest.",
    )
    retry: tuple[Duration, ...] = retry_schedule(
        "5s", "5m", "30m", "2h", "5h", "10h", "14h", "20h", "24h"
    )
    largest: Size = Field(
        default=LARGEST,
        json_schema_extra={"default": "256KiB"},
        description="Size of a body at most, from 64KiB; long texts of a larger event are cut.",
    )
    payload: Literal["full", "thin"] = Field(
        default="full", description="`thin` sends ids only, no personal data."
    )

    @classmethod
    def key_clashes(cls, given: Mapping[str, Any]) -> Iterator[Mistake]:
        """Yield that both `secret` and `secrets` are given."""
        yield from not_both(given, "secret", "secrets")

    def warnings(self, context: Context) -> Iterator[Mistake]:
        """Yield what makes the way to it weak."""
        yield from super().warnings(context)
        yield from self.weak_address("url", self.url.read())

    def plan(self, network: Network) -> ReceiverPlan:
        """Return the plan; each webhook has a link of its own, as wide as its `concurrency`."""
        notifier = WebhookNotifier(
            url=self.url.read,
            secrets=lambda: [one.read() for one in self.signing],
            headers=lambda: {name: text.read() for name, text in self.headers.items()},
            timeout=self.timeout.total_seconds(),
            largest=self.largest,
            post=network.post_over(self.link, self.connect_timeout),
            scrub=network.scrub,
        )
        return ReceiverPlan(
            name=self.name,
            notifier=notifier,
            policy=Policy(self.retry, self.limit, relaxed=self.ordering == "relaxed"),
            target=fingerprint(self.url.read()),
            slots=self.concurrency,
            lease=self.timeout + SLACK,
            visibility=self.visibility,
        )

    @cached_property
    def link(self) -> Link:
        """The connections of this receiver alone."""
        return self.link_with(self.concurrency)

    @property
    def descriptors(self) -> int:
        """One for each connection."""
        return self.concurrency

    @property
    def signing(self) -> tuple[SecretText, ...]:
        """The secrets, each of which signs."""
        return self.secrets if self.secret is None else (self.secret,)

    @property
    def visibility(self) -> Visibility:
        """What of an event it may see."""
        return Visibility(thin=self.payload == "thin", redacted=self.redact)

    def preview(self, notice: Notice, message_id: str) -> Mapping[str, Any]:
        """Return the request; of the address only the host is shown, and no secret."""
        headers = {
            "content-type": CONTENT_TYPE,
            "webhook-id": message_id,
            "webhook-timestamp": "(of each attempt)",
        }
        if self.signing:
            headers["webhook-signature"] = " ".join(["v1,…"] * len(self.signing))
        for name, value in self.headers.items():
            shown = str(value) if value.names else value.read()
            headers[name.lower()] = HIDDEN if is_sensitive(name) else shown
        return {
            "method": "POST",
            "url": str(self.url) if self.url.names else _host(self.url.read()),
            "headers": headers,
            "body": cut(notice.event, self.largest).body().decode(),
        }


class WebhookNotifier:
    """Posts events to one address.

    `url`, `secrets` (`whsec_…`; each of them signs, none: no signature) and `headers` are asked at
    each attempt, since the files that they come from may change; they may raise OSError or
    WatcherError.
    `timeout` is in seconds, for the whole exchange. The headers of the contract cannot be
    replaced by configured ones. `scrub` strikes secrets out of what the other side says, for it
    may quote what it was sent. A body has at most `largest` bytes.
    """

    text = False

    def __init__(
        self,
        url: Callable[[], str],
        secrets: Callable[[], Sequence[str]],
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        post: Post,
        scrub: Callable[[str], str] = str,
        *,
        largest: int = LARGEST,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._headers = headers
        self._timeout = timeout
        self._post = post
        self._scrub = scrub
        self._largest = largest

    async def send(self, notice: Notice) -> Result:
        """Post the event once. Of a digest that is too large, nothing is posted before it is halved."""
        content = notice.event.body()
        if len(content) > self._largest:
            if len(notice.event.data.get("events", ())) > 1:
                note = f"the digest has {len(content)} bytes, and `largest` is {self._largest}"
                return Result("refused", note, certain=True, too_large=True)
            content = cut(notice.event, self._largest).body()
        try:
            url = self._url()
            headers = {name.lower(): value for name, value in self._headers().items()}
            headers |= _sign(notice.event.id, content, notice.at, self._secrets())
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Result("failed", f"the address or the secret cannot be read ({why})")
        except WatcherError as error:
            return Result("failed", _one_line(str(error)))
        except (ValueError, EmptyWebhookSecretError):  # never quoted: the text may hold the secret
            return Result("failed", "the secret is no Standard Webhooks secret (whsec_ and base64)")
        began = anyio.current_time()
        answer = await self._post(url, content=content, headers=headers, timeout=self._timeout)
        return read_answer(answer, self._scrub, anyio.current_time() - began)

    async def close(self) -> None:
        """Close its connections."""
        await self._post.aclose()


def read_answer(
    answer: HttpReply, scrub: Callable[[str], str] = str, seconds: float | None = None
) -> Result:
    """Return what an answer means, which took so many seconds: 2xx is success, 410 ends it, all else is tried
    again, after `Retry-After` at the earliest where 429 or 503 carries one. Some statuses refuse the request
    as it is: whether that is this message's fault, the receiver's record decides (`pipeline.receivers`).
    """
    status = answer.status
    if status == 0:
        return Result("failed", scrub(answer.error), seconds=seconds)
    text = scrub(answer.body.decode(errors="replace"))  # before it is cut: half a secret is one too
    result = Result("ok", _note(status), None, status, _excerpt(text), seconds)
    if 200 <= status < 300:
        return result
    result = dataclasses.replace(result, outcome="failed")
    if status == 410:
        return dataclasses.replace(result, outcome="gone")
    if status in _REFUSALS:
        return dataclasses.replace(result, outcome="refused", too_large=status == 413)
    wish = retry_after(answer.headers) if status in (429, 503) else None
    return dataclasses.replace(
        result, retry_after=None if wish is None else min(wish, LONGEST_WISH)
    )


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/…"


def _note(status: int) -> str:
    """Return what an answer means in our words: a note goes to people and other receivers. What the
    other side said is the excerpt, which `deliveries show` shows.
    """
    redirect = ": a redirect, which is not followed" if 300 <= status < 400 else ""
    return f"HTTP {status}{redirect}"


def _excerpt(text: str) -> str:
    """Return the beginning of an answer with its line breaks, and no other control characters."""
    lines = text.strip().splitlines()
    cleaned = "\n".join("".join(c if c.isprintable() else " " for c in line) for line in lines)
    return cleaned[:EXCERPT_LENGTH]


def _sign(event_id: str, content: bytes, at: datetime, secrets: Sequence[str]) -> Mapping[str, str]:
    # The library signs the wall-clock digits as if they were UTC, so they must be; and only a
    # whole second reads the same in the header and in the signature.
    second = at.astimezone(UTC).replace(microsecond=0)
    headers = {
        "content-type": CONTENT_TYPE,
        "webhook-id": event_id,
        "webhook-timestamp": str(int(second.timestamp())),
    }
    if secrets:
        # Space-separated, as the specification has it for the time in which a secret is replaced.
        headers["webhook-signature"] = " ".join(
            Webhook(secret).sign(event_id, second, content.decode()) for secret in secrets
        )
    return headers


def _one_line(text: str) -> str:
    """Fold to one line of at most 200 characters, without control characters."""
    printable = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(printable.split())[:NOTE_LENGTH]
