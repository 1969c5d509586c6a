"""Which requests a browser may be made to send here: those of pages of ours, and what only reads."""

from __future__ import annotations

import json

import httpx  # noqa: TID251 - reads what the server answers
import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from watcher.api.problems import PROBLEMS
from watcher.settings.values import Address
from watcher.web import guarded
from watcher.web.origins import is_own

HOST = "watcher.example.com"
OWN, OTHER = f"https://{HOST}", "https://evil.example"

# The table of Go's `http.CrossOriginProtection` (1.25), with the host above.
TABLE = [
    ("POST", {"sec-fetch-site": "same-origin"}, True),
    ("POST", {"sec-fetch-site": "none"}, True),
    ("POST", {"sec-fetch-site": "cross-site"}, False),
    ("POST", {"sec-fetch-site": "same-site"}, False),
    ("POST", {"sec-fetch-site": ""}, False),
    ("POST", {"sec-fetch-site": "SAME-ORIGIN"}, False),
    ("POST", {}, True),
    ("POST", {"origin": OWN}, True),
    ("POST", {"origin": f"http://{HOST}"}, True),
    ("POST", {"origin": OTHER}, False),
    ("POST", {"origin": "null"}, False),
    ("POST", {"origin": f"{OWN}:8443"}, False),
    ("POST", {"origin": f"https://{HOST}.evil.example"}, False),
    ("POST", {"origin": "https://["}, False),
    ("POST", {"origin": f"file://{HOST}"}, False),
    ("GET", {"origin": OTHER}, True),
    ("HEAD", {"origin": OTHER}, True),
    ("OPTIONS", {"origin": OTHER}, True),
    ("GET", {"sec-fetch-site": "cross-site"}, True),
    ("HEAD", {"sec-fetch-site": "cross-site"}, True),
    ("OPTIONS", {"sec-fetch-site": "cross-site"}, True),
    ("PUT", {"sec-fetch-site": "cross-site"}, False),
    ("DELETE", {"sec-fetch-site": "cross-site"}, False),
    ("PATCH", {"origin": OTHER}, False),
    ("PUT", {"sec-fetch-site": "same-origin", "origin": OTHER}, True),
    ("POST", {"sec-fetch-site": "cross-site", "origin": OWN}, False),
    # What Go leaves to its users: nobody sends a token without knowing it.
    ("POST", {"sec-fetch-site": "cross-site", "authorization": "Bearer x"}, True),
    ("POST", {"origin": OTHER, "authorization": "bearer x"}, True),
    ("POST", {"origin": OTHER, "authorization": "Basic x"}, False),
    ("POST", {"origin": OTHER, "cookie": "a=b"}, False),
]


@pytest.mark.parametrize(("method", "headers", "own"), TABLE)
def test_who_may_have_something_done(method: str, headers: dict[str, str], own: bool) -> None:
    assert is_own(method, Headers({"host": HOST, **headers})) is own


@pytest.mark.parametrize("path", ["/api/v1/silences", "/silences", "/do/x", "/enter"])
async def test_a_refused_request_reaches_nothing(path: str) -> None:
    reached: list[str] = []

    async def answer(request: Request) -> Response:
        reached.append(request.url.path)
        return PlainTextResponse("done")

    app = Starlette(routes=[Route(path, answer, methods=["POST"])])
    transport = httpx.ASGITransport(guarded(app, Address("127.0.0.1", 8484), (HOST,)))
    async with httpx.AsyncClient(transport=transport, base_url=OWN) as client:
        refused = await client.post(path, headers={"origin": OTHER})
        assert (refused.status_code, reached) == (403, [])
        assert "the request comes from another site" in refused.text
        if path.startswith("/api/"):
            problem = json.loads(refused.text)
            assert (problem["status"], problem["title"]) == PROBLEMS["wrong-origin"]
            assert refused.headers["content-type"] == "application/problem+json"
        assert (await client.post(path, headers={"origin": OWN})).text == "done"
