"""Every refusal that the providers are known to give: people read which one it is and what to do, the
same in `check --online`, `status` and `source.failing`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.cli.harness import TOKEN, Harness, json_lines

CHATWOOT = "provider: chatwoot\n    account_id: 3"
HIGHLEVEL = "provider: highlevel\n    location_id: loc"
LEADWAY = "provider: leadway\n    location_id: loc"
LEADPING = "provider: leadping"

UNAUTHORIZED = {
    "type": "https://tools.ietf.org/html/rfc9110#section-15.5.2",
    "title": "Unauthorized",
    "status": 401,
}

REFUSALS: list[tuple[str, int, Any, str, str]] = [
    (CHATWOOT, 401, {"error": "Invalid Access Token"},
     "Chatwoot does not accept the token", "copy the access token from the profile settings"),
    (CHATWOOT, 401, {"errors": ["You need to sign in or sign up before continuing."]},
     "the header Api-Access-Token did not arrive", "let the proxy in front of Chatwoot pass"),
    (CHATWOOT, 401, {"error": "You are not authorized to access this account"},
     "the token's user is not a member of this account", "check account_id, or invite the user"),
    (CHATWOOT, 401, {"error": "Account is suspended"},
     "Chatwoot has suspended this account", "ask the administrator of the Chatwoot installation"),
    (CHATWOOT, 401, {"error": "Access to this endpoint is not authorized for bots"},
     "the token is a bot's", "use the access token of an administrator"),
    (CHATWOOT, 401, {"error": "You are not authorized to do this action"},
     "refuses the request", "must be an administrator's"),
    (CHATWOOT, 403, "<html><h1>403 Forbidden</h1>nginx</html>",
     "a proxy or a firewall, seems to refuse the request (HTTP 403 with an answer that is not JSON)",
     "check base_url,"),
    (CHATWOOT, 404, {"error": "Resource could not be found"},
     "does not know this address", "check base_url and the account"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": "version header was not found."},
     "the provider misses the Version header", "whether a proxy drops it"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": "version header is invalid"},
     "does not know this API version", "correct `version`"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": "The token is not authorized for this scope."},
     "the token lacks a scope", "add the scope conversations.readonly"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": "Invalid Private Integration token"},
     "the token is not valid", "new token of a Private Integration"),
    (LEADWAY, 401, {"statusCode": 401, "message": "Invalid token: access token is invalid",
                    "error": "Unauthorized"},
     "the token is not valid", "new token of a Private Integration"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": "The access token has expired"},
     "the token has expired", "lives for a day"),
    (HIGHLEVEL, 401, {"statusCode": 401, "message": ["Invalid JWT"]},
     "the token is not valid", "new token of a Private Integration"),
    (HIGHLEVEL, 403, {"statusCode": 403, "message": "The token does not have access to this location"},
     "the token belongs to another location", "correct `location_id`"),
    (LEADWAY, 401, {"statusCode": 401, "message": "Something new"},
     "the provider refuses the token (HTTP 401: Something new)", "its scope conversations.readonly"),
    (HIGHLEVEL, 422, {"statusCode": 422, "message": ["locationId must be a string"]},
     "does not take the location", "correct `location_id`"),
    (LEADPING, 401, UNAUTHORIZED,
     "Leadping refuses the token (HTTP 401: Unauthorized)", "begins with sk_ and has not expired"),
    (LEADPING, 403, {"title": "Forbidden", "status": 403},
     "Leadping forbids reading the inbox", "begins with sk_"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "status", "body", "cause", "remedy"), REFUSALS)
def test_a_refusal_says_which_it_is_and_what_to_do(
    harness: Harness, source: str, status: int, body: Any, cause: str, remedy: str
) -> None:
    async def refuse(_request: Request) -> Response:
        if isinstance(body, str):
            return Response(body, status, media_type="text/html")
        return Response(json.dumps(body), status, media_type="application/json")

    methods = ["GET", "POST"]
    origin = harness.serve(Starlette(routes=[Route("/{path:path}", refuse, methods=methods)]))
    harness.write_sources(
        f"  support:\n    {source}\n    base_url: {origin}\n    token: ${{CHAT_TOKEN}}\n"
    )
    check = harness.run("check", "--online")
    assert check.exit_code == 1
    assert cause in check.stdout
    assert remedy in check.stdout

    assert harness.run("run", "--once").exit_code == 1
    told = harness.run("status")
    assert cause in told.stdout
    assert remedy in told.stdout
    (event,) = json_lines(harness.run("events", "--type", "source.failing", "--json").stdout)
    assert cause in event["data"]["reason"]
    assert remedy in event["data"]["remedy"]
    assert not any(TOKEN in each.output for each in (check, told))
