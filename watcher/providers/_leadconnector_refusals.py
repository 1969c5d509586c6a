"""What LeadConnector means by refusing: which status and words ask for which recovery.

Law: pure. One status says several things: 401 alone means a bad token, a missing scope, a
missing `Version` header or an unknown version, so asking for a new token on every 401 is wrong.
"""

from __future__ import annotations

import re

from watcher.errors import SourceError, SourceRefused
from watcher.providers import Response
from watcher.providers._leadconnector_walk import DEFAULT_LIMIT
from watcher.providers._leadconnector_wire import whole_number
from watcher.providers.answers import judge, said

__all__ = [
    "DAILY",
    "DOUBTFUL",
    "INTERVAL",
    "LONG_WAIT",
    "accept",
    "day_is_over",
    "known_refusal",
    "limit_in",
]

INTERVAL = 10.0
"""Seconds of the rate limit's window, to wait after a 429 (no `Retry-After` is documented)."""

DAILY = 200_000
"""Requests that a location may make in a day (documented)."""

LONG_WAIT = 900.0
"""Seconds to wait when the day's requests are used up; no answer says when the day ends."""

RENEW = "put in a new token of a Private Integration in the sub-account"

REFUSALS = (
    ("version header was not found", "the provider misses the Version header",
     "set `version`, or see whether a proxy drops it"),
    ("version header is invalid", "the provider does not know this API version",
     "correct `version`, for instance 2021-04-15 or 2021-07-28"),
    ("not authorized for this scope", "the token lacks a scope",
     "add the scope conversations.readonly to the token"),
    ("does not have access to this location", "the token belongs to another location",
     "correct `location_id`, or use a token of that location"),
    ("invalid private integration token", "the token is not valid", RENEW),
    ("access token is invalid", "the token is not valid", RENEW),
    ("access token has expired", "the token has expired",
     "an OAuth access token lives for a day: have its file renewed, or take a Private Integration's"),
    ("invalid jwt", "the token is not valid", RENEW),
)  # fmt: skip
"""What 401 and 403 say: texts (observed; the invalid token's is documented), cause, remedy."""

DOUBTFUL = re.compile(r"version|location|header|required|missing|must|should|mongo|time", re.I)
"""A 400 with such words is about the request or the server's own trouble, not about the id."""


def accept(response: Response) -> None:
    """Return for a 2xx answer, else raise the SourceError that says the recovery."""
    words = said(response, "message", "error")
    if response.status in (400, 422) and "location" in words.lower():
        raise SourceRefused(
            f"the provider does not take the location (HTTP {response.status}: {words})",
            "correct `location_id`",
        )
    judge(response, refused=_refused, patience=LONG_WAIT if day_is_over(response) else INTERVAL)


def day_is_over(response: Response) -> bool:
    """Tell whether the day's requests are used up (documented header)."""
    return whole_number(response.headers.get("x-ratelimit-daily-remaining")) == 0


def known_refusal(words: str) -> tuple[str, str] | None:
    """Give cause and remedy of a refusal that concerns the whole account, None for others."""
    for text, reason, remedy in REFUSALS:
        if text in words.lower():
            return reason, remedy
    return None


def limit_in(words: str, asked: int) -> int:
    """Give the largest `limit` that a refusal of the one asked for names, else the default."""
    named = (int(number) for number in re.findall(r"\b[0-9]{1,4}\b", words))
    return max((n for n in named if DEFAULT_LIMIT <= n < asked), default=DEFAULT_LIMIT)


def _refused(response: Response) -> SourceError:
    words = said(response, "message", "error")
    reason, remedy = known_refusal(words) or (
        "the provider refuses the token",
        "check the token, its scope conversations.readonly, and `location_id`",
    )
    told = f"HTTP {response.status}: {words}" if words else f"HTTP {response.status}"
    return SourceRefused(f"{reason} ({told})", remedy)
