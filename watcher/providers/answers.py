"""Reading answers: statuses, error texts and JSON bodies, for every provider plug-in.

Rules: pure, like every provider. The one place where an HTTP status becomes an error, and where a
body becomes JSON: of bounded depth and size, without what could not be written down again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from watcher.errors import SourceChanged, SourceError, SourceRefused, SourceUnavailable
from watcher.providers import Response

__all__ = [
    "MOST_ROWS",
    "check_size",
    "describe",
    "foreign_refusal",
    "is_foreign",
    "json_body",
    "judge",
    "said",
]

MOST_VALUES = 1_000_000
"""Values in one body. Decoded, a value takes some hundred bytes: a body of empty objects alone
would otherwise take thirty times its own size. A real page has tens of thousands.
"""

MOST_ROWS = 10_000
"""Rows on one page; the largest that a provider here may be asked for has 1,000, and Chatwoot's
unpaged answer to a poll holds what was updated in at most three hours.
"""

LONGEST_REFUSAL = 64 * 1024
"""Bytes up to which an error body is read for its text."""

_HALF = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F][0-9a-fA-F]{2})"
)
"""Half a surrogate pair, in a text without escaped backslashes. It begins with plain letters, which
are found several times as fast as alternatives.
"""


def check_size(body: bytes) -> None:
    """Raise SourceChanged for a body with too many values to be decoded."""
    if len(body) > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise SourceChanged(
            f"the answer holds more than {MOST_VALUES:,} values",
            "no page of conversations is that large: check base_url",
        )


def json_body(response: Response) -> Any:
    """Return the decoded body, None if it is not JSON (an HTML error page, plain text, NaN, nesting
    deeper than 200, a number of more than 4,300 digits).

    Half a surrogate pair (a text that the provider cut in the middle of an emoji) becomes `?`,
    because it could not be written as UTF-8 again. Raise SourceChanged as `check_size` does.
    """
    body = response.body.removeprefix(b"\xef\xbb\xbf")
    check_size(body)
    try:
        return from_json(body, allow_inf_nan=False)
    except ValueError:
        if b"\\ud" not in body and b"\\uD" not in body:
            return None
    try:
        plain = body.replace(rb"\\", rb"\u005c")
        return from_json(_HALF.sub(b"?", plain), allow_inf_nan=False)
    except ValueError:
        return None


def said(response: Response, *keys: str) -> str:
    """Return the text of an error body under the first of `keys` that it has, as one short line.

    Values may be strings or lists of strings (HighLevel's 422, Chatwoot's 401). Empty if the body
    has no readable text, and of a success. Control characters are left out.
    """
    if 200 <= response.status < 300:
        return ""
    body = json_body(response) if len(response.body) <= LONGEST_REFUSAL else None
    if not isinstance(body, dict):
        return ""
    for key in keys:
        value = body.get(key)
        if isinstance(value, list):
            value = "; ".join(part for part in value if isinstance(part, str))
        if isinstance(value, str) and value.strip():
            words = " ".join(value.split())[:200]
            return "".join(letter for letter in words if letter.isprintable())
    return ""


def describe(response: Response, *keys: str) -> str:
    """Return the status with the body's error text as one short line: `HTTP 400: Bad Request`."""
    text = said(response, *keys)
    return f"HTTP {response.status}" + (f": {text}" if text else "")


def is_foreign(response: Response) -> bool:
    """Return whether a refusal is not the provider's own, but that of a proxy or a firewall.

    APIs refuse with a JSON object, or without a word. What a foreign answer says is no reason to
    call a token bad or a conversation gone.
    """
    if not response.body.strip():
        return False
    readable = len(response.body) <= LONGEST_REFUSAL
    return not (readable and isinstance(json_body(response), dict))


def foreign_refusal(response: Response) -> SourceRefused:
    """Return the error for a 401 or 403 that is hardly the provider's own."""
    what = "that is not JSON" if response.body.strip() else "without content"
    return SourceRefused(
        "something in front of the provider, a proxy or a firewall, seems to refuse the request"
        f" (HTTP {response.status} with an answer {what})",
        "check base_url, and whether a proxy, a firewall or a list of allowed addresses is in the way;"
        " the token may be right",
    )


def _redirect_host(response: Response) -> str:
    """Return ` to HOST` for the host that a redirect leads to, nothing where it names none."""
    try:
        parts = urlsplit(response.headers.get("location", ""))
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9._:-]{1,253}", host):
        return ""
    return f" to {host}" + (f":{port}" if port else "")


def judge(
    response: Response,
    *,
    refused: Callable[[Response], SourceError],
    patience: float | None = None,
    message_keys: tuple[str, ...] = ("message", "error", "errors", "detail", "title"),
) -> None:
    """Raise the error whose class stands for the recovery, unless the answer is a success (2xx).

    `refused` explains 401 and 403 in the provider's terms, where the refusal is its own. `patience`
    is how many seconds to wait after a 429 without `Retry-After`.
    """
    status = response.status
    if 200 <= status < 300:
        return
    cause = describe(response, *message_keys)
    wish = response.retry_after
    if status == 429:
        raise SourceUnavailable(
            f"the provider limits our requests ({cause})",
            "poll less often, or find what else uses the same limit",
            retry_after=wish if wish is not None else patience,
        )
    if status in (401, 403):
        if is_foreign(response):
            raise foreign_refusal(response)
        raise refused(response)
    if status >= 500 or status in (408, 425):
        raise SourceUnavailable(f"the provider has trouble ({cause})", retry_after=wish)
    if 300 <= status < 400:
        raise SourceChanged(
            f"the provider answers with a redirect{_redirect_host(response)} ({cause})",
            "check base_url: it must be the API's final address, and no sign-in page may be in front",
        )
    if status in (404, 405, 410):
        raise SourceRefused(
            f"the provider does not know this address ({cause})",
            "check base_url and the account, location or organization in the configuration",
        )
    raise SourceChanged(f"the provider does not accept our request ({cause})")
