"""Webhooks: the event itself, posted and signed by the Standard Webhooks specification.

Law: one attempt, no network of its own (`Post` is handed in), nothing kept. `read_answer`, which
says what an answer means, is pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from watcher.errors import WatcherError
from watcher.model import Result
from watcher.notify import Answer, Notice, Post
from watcher.providers._answers import retry_after

__all__ = ["WebhookNotifier", "read_answer"]

CONTENT_TYPE = "application/cloudevents+json"
"""CloudEvents 1.0, HTTP binding 3.2: structured mode."""

LONGEST_WISH = 7 * 86400.0
"""Seconds; a `Retry-After` beyond that is a mistake of the receiver, and counts as so much."""

NOTE_LENGTH = 200


class WebhookNotifier:
    """Posts events to one address.

    `url`, `secrets` (`whsec_…`; each of them signs, none: no signature) and `headers` are asked at
    each attempt, since the files that they come from may change; they may raise OSError or
    WatcherError.
    `timeout` is in seconds, for the whole exchange. The headers of the contract cannot be
    replaced by configured ones.
    """

    text = False

    def __init__(
        self,
        url: Callable[[], str],
        secrets: Callable[[], Sequence[str]],
        headers: Callable[[], Mapping[str, str]],
        timeout: float,
        post: Post,
    ) -> None:
        self._url = url
        self._secrets = secrets
        self._headers = headers
        self._timeout = timeout
        self._post = post

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
        answer = await self._post(url, content=content, headers=headers, timeout=self._timeout)
        return read_answer(answer, notice.at)

    async def close(self) -> None:
        """Nothing is held."""


def read_answer(answer: Answer, now: datetime) -> Result:
    """Say what an answer means (contract, section 3): 2xx is success, 410 ends it, all else is
    tried again, after `Retry-After` at the earliest where 429 or 503 carries one.
    """
    status = answer.status
    if status == 0:
        return Result("failed", answer.error)
    if 300 <= status < 400:
        return Result("failed", f"HTTP {status}: a redirect, which is not followed")
    words = _one_line(answer.body.decode(errors="replace"))
    note = f"HTTP {status}: {words}" if words else f"HTTP {status}"
    if 200 <= status < 300:
        return Result("ok", note)
    if status == 410:
        return Result("gone", note)
    wish = retry_after(answer.headers, now) if status in (429, 503) else None
    return Result("failed", note, None if wish is None else min(wish, LONGEST_WISH))


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
