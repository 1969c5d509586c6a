"""What a request may be refused for: problem details (RFC 9457), a closed list.

Rules: 422 is for what the API's document does not allow, alone: what is well written and cannot be done is a
conflict, or there is no such thing. Each has a title that never changes; what happened here is in `detail`,
what to do in `remedy`. No problem has a secret or a trace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response

__all__ = ["PROBLEMS", "Refusal", "answer"]

PROBLEMS: Mapping[str, tuple[int, str]] = {
    "not-found": (404, "There is no such thing"),
    "not-signed-in": (401, "Only whoever has signed in may see this"),
    "not-allowed": (403, "You may not do or see this"),
    "wrong-origin": (403, "The request comes from another site"),
    "wrong-method": (405, "This cannot be done here"),
    "invalid": (422, "The request is not valid"),
    "too-broad": (409, "The question asks for too much"),
    "too-large": (413, "The request is too large"),
    "wrong-type": (415, "The body is not JSON"),
    "too-many": (429, "Too many requests of this kind"),
    "conflict": (409, "The request does not fit what there is"),
    "hold-is-over": (409, "The hold is over"),
    "count-differs": (409, "There are more or fewer than expected"),
    "store-waits": (503, "The store waits"),
    "busy": (503, "Too many follow the log"),
    "internal": (500, "The request failed"),
}
"""Each problem with its status and its title."""


@dataclass
class Refusal(Exception):
    """A request that is refused."""

    kind: str
    detail: str
    remedy: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(refusal: Refusal, instance: str) -> Response:
    """Return a refusal as it is sent."""
    status, title = PROBLEMS[refusal.kind]
    plain: dict[str, Any] = {
        "type": f"/problems/{refusal.kind}",
        "title": title,
        "status": status,
        "detail": refusal.detail,
        "instance": instance,
    }
    if refusal.remedy:
        plain["remedy"] = refusal.remedy
    if refusal.errors:
        plain["errors"] = list(refusal.errors)
    headers = {**refusal.headers, "cache-control": "no-store"}
    if status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(
        plain, status_code=status, headers=headers, media_type="application/problem+json"
    )
