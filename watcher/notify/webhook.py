"""Webhooks: the event itself, posted and signed by the Standard Webhooks specification.

Law: one attempt, no network of its own (`Post` is handed in), nothing kept. `read_answer`, which
says what an answer means, is pure.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from watcher.errors import WatcherError
from watcher.http import retry_after
from watcher.model import Result
from watcher.notify import Notice, Post
from watcher.records import HttpReply

__all__ = ["WebhookNotifier", "read_answer"]

CONTENT_TYPE = "application/cloudevents+json"
"""CloudEvents 1.0, HTTP binding 3.2: structured mode."""

LONGEST_WISH = 7 * 86400.0
"""Seconds; a `Retry-After` beyond that is a mistake of the receiver, and counts as so much."""

SHORTEST_PATH = 4
NOTE_LENGTH = 200
EXCERPT_LENGTH = 500
"""Characters that are kept of what a receiver answered: in one line, and as it stands."""


class WebhookNotifier:
    """Posts events to one address.

    `url`, `secrets` (`whsec_…`; each of them signs, none: no signature) and `headers` are asked at
    each attempt, since the files that they come from may change; they may raise OSError or
    WatcherError.
    `timeout` is in seconds, for the whole exchange. The headers of the contract cannot be
    replaced by configured ones. `scrub` strikes secrets out of what the other side says, for it
    may quote what it was sent.
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
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._headers = headers
        self._timeout = timeout
        self._post = post
        self._scrub = scrub

    async def send(self, notice: Notice) -> Result:
        """Post the event once."""
        content = notice.event.body()
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
        result = read_answer(answer, notice.at, lambda text: _without_path(self._scrub(text), url))
        return dataclasses.replace(result, seconds=anyio.current_time() - began)

    async def close(self) -> None:
        """Close its connections."""
        await self._post.aclose()


def read_answer(answer: HttpReply, now: datetime, scrub: Callable[[str], str] = str) -> Result:
    """Say what an answer means (contract, section 3): 2xx is success, 410 ends it, all else is
    tried again, after `Retry-After` at the earliest where 429 or 503 carries one.
    """
    status = answer.status
    if status == 0:
        return Result("failed", scrub(answer.error))
    text = scrub(answer.body.decode(errors="replace"))  # before it is cut: half a secret is one too
    said = Result("failed", _note(status, text), None, status, _excerpt(text))
    if 200 <= status < 300:
        return dataclasses.replace(said, outcome="ok")
    if status == 410:
        return dataclasses.replace(said, outcome="gone")
    wish = retry_after(answer.headers, now) if status in (429, 503) else None
    return dataclasses.replace(said, retry_after=None if wish is None else min(wish, LONGEST_WISH))


def _without_path(text: str, url: str) -> str:
    """Strike out where exactly the receiver listens, which is often its password: servers quote it
    (`Cannot POST /hooks/…`).
    """
    parts = urlsplit(url)
    for part in (parts.query, parts.path):
        if len(part) >= SHORTEST_PATH:
            text = text.replace(part, "***")
    return text


def _note(status: int, text: str) -> str:
    if 300 <= status < 400:
        return f"HTTP {status}: a redirect, which is not followed"
    words = _one_line(text)
    return f"HTTP {status}: {words}" if words else f"HTTP {status}"


def _excerpt(text: str) -> str:
    """Give the beginning of an answer with its line breaks, and no other control characters."""
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
