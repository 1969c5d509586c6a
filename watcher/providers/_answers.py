"""Reading answers: what the three providers' ways of saying no have in common.

Law: pure, like every provider. The one place where an HTTP status becomes an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.providers import Quota, Response

__all__ = ["json_body", "judge", "retry_after", "said", "used_up"]


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Read `Retry-After` (RFC 9110 10.2.3: seconds or a date) as seconds from `now`."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        seconds = (at - now).total_seconds()
    return max(0.0, seconds) if seconds < float("inf") else None


def used_up(response: Response, patience: float | None = None) -> Quota | None:
    """Read a 429 as a quota of which nothing is left for as long as it says, or for `patience`
    seconds; None for other answers, and where neither tells how long.
    """
    if response.status != 429:
        return None
    wish = retry_after(response.headers, response.received)
    wait = wish if wish is not None else patience
    return Quota(0, wait) if wait is not None else None


def json_body(response: Response) -> Any:
    """Decode the body as JSON, None where it is none (an HTML error page, plain text).

    Half a surrogate pair (a text that the provider cut in the middle of an emoji) becomes `?`,
    because it could never be written as UTF-8 again.
    """
    try:
        text = response.body.decode("utf-8-sig")
        body = json.loads(text)
        if "\\ud" in text or "\\uD" in text:
            body = json.loads(json.dumps(body, ensure_ascii=False).encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
    return body


def said(response: Response, *keys: str) -> str:
    """Give what an error body says under the first of `keys` that it has, as one short line.

    Values may be strings or lists of strings (HighLevel's 422, Chatwoot's 401); empty where the
    body says nothing readable.
    """
    body = json_body(response)
    if not isinstance(body, dict):
        return ""
    for key in keys:
        value = body.get(key)
        if isinstance(value, list):
            value = "; ".join(str(part) for part in value if isinstance(part, str))
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:200]
    return ""


def judge(
    response: Response,
    *,
    refused: Callable[[Response], SourceError],
    patience: float | None = None,
    message_keys: tuple[str, ...] = ("message", "error", "errors", "detail", "title"),
) -> None:
    """Return for a 2xx answer; else raise the error whose class says the recovery.

    `refused` explains 401 and 403 in the provider's words. `patience` is how many seconds to
    wait after a 429 that carries no `Retry-After`.
    """
    status = response.status
    if 200 <= status < 300:
        return
    words = said(response, *message_keys)
    told = f"HTTP {status}" + (f": {words}" if words else "")
    wish = retry_after(response.headers, response.received)
    if status == 429:
        raise SourceUnavailable(
            f"the provider limits our requests ({told})",
            "poll less often, or find what else uses the same limit",
            retry_after=wish if wish is not None else patience,
        )
    if status in (401, 403):
        raise refused(response)
    if status >= 500 or status in (408, 425):
        raise SourceUnavailable(f"the provider has trouble ({told})", retry_after=wish)
    if 300 <= status < 400:
        raise SourceChanged(
            f"the provider answers with a redirect ({told})",
            "check base_url: it must be the API's final address",
        )
    if status in (404, 405, 410):
        raise SourceRefused(
            f"the provider does not know this address ({told})",
            "check base_url and the account, location or organization in the configuration",
        )
    raise SourceChanged(f"the provider does not accept our request ({told})")
