"""The other side of the demonstration: an HTTP server that checks what it is sent.

Rules: uses none of the watcher's code. It verifies signatures with the official library of
Standard Webhooks, as a receiver in any other program would.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

__all__ = ["Arrival", "Inbound"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """An event with a valid signature, and when it arrived."""

    at: datetime
    event: Mapping[str, Any]


class Inbound:
    """Accepts webhooks at `/crm`, and what Apprise's `json://` sends at `/team` and
    `/manager`.

    `arrivals` has each event once, by `webhook-id`; `repeats` counts duplicates, `refused` requests
    without a valid signature, `texts` messages through Apprise.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        arrived: Callable[[Arrival], None],
        read: Callable[[str, str, str], None],
    ) -> None:
        self.secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        self.arrivals: list[Arrival] = []
        self.repeats = 0
        self.refused = 0
        self.texts = 0
        self._clock = clock
        self._arrived = arrived
        self._read = read
        self._seen: set[str] = set()
        self._webhook = Webhook(self.secret)
        self.app = Starlette(
            routes=[
                Route("/crm", self._take_event, methods=["POST"]),
                Route("/{receiver:str}", self._take_text, methods=["POST"]),
            ],
            # The demonstration's end cuts requests off; nobody hears the answer.
            exception_handlers={ClientDisconnect: _unheard},
        )

    async def _take_event(self, request: Request) -> Response:
        body = await request.body()
        try:
            self._webhook.verify(body.decode(), dict(request.headers))
        except WebhookVerificationError:
            self.refused += 1
            return Response("invalid signature", status_code=401)
        name = request.headers["webhook-id"]
        if name in self._seen:
            self.repeats += 1
        else:
            self._seen.add(name)
            self.arrivals.append(Arrival(self._clock(), json.loads(body)))
            self._arrived(self.arrivals[-1])
        return Response(status_code=204)

    async def _take_text(self, request: Request) -> Response:
        text = json.loads(await request.body())
        self.texts += 1
        self._read(request.path_params["receiver"], text["title"], text["message"])
        return Response(status_code=200)


async def _unheard(_request: Request, _error: Exception) -> Response:
    return Response(status_code=400)
