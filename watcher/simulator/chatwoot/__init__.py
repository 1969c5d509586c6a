"""A fake Chatwoot: the conversation list, one conversation, the counts, and its version.

Rules: reads the world, never changes it; shares nothing with the provider that it tests.

Facts are from Chatwoot's source at v4.15.1 and older tags: conversation_finder.rb, sort_handler.rb,
permission_filter_service.rb, conversation_policy.rb, request_exception_handler.rb,
access_token_auth_helper.rb, rack_attack.rb.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from watcher.simulator.chatwoot.query import NotFound, Query, read_query
from watcher.simulator.chatwoot.rows import row
from watcher.simulator.limits import FixedWindows, answer
from watcher.simulator.rendering import committed, fill
from watcher.simulator.state import Account, Conversation, State, Viewer
from watcher.simulator.versions import NEWEST, written
from watcher.simulator.world import World

__all__ = ["Options", "app", "refusal"]

PATH = "/api/v1/accounts/{account}/conversations"
NOT_FOUND = {"error": "Resource could not be found"}
FORBIDDEN = {"error": "You are not authorized to do this action"}


@dataclass(frozen=True, slots=True)
class Options:
    """How this Chatwoot is installed. Its version is the account's (`World.install`)."""

    page_size: int = 25
    """Rows of a page."""

    activity_delay: float = 2.0
    """Seconds until a change's activity line is written, which moves `last_activity_at`."""

    delete_lag: int = 0
    """How many list requests still show a deleted row; meanwhile `show` answers 200."""

    rendering: float = 0.0
    """Seconds that an answer takes: its rows are chosen first and filled in later, part by part
    (`watcher.simulator.rendering`).
    """

    commit_lag: float = 0.0
    """Seconds by which others may see a change later than its stamps say."""

    strips_underscores: bool = False
    """Whether a proxy (nginx) drops the header `api_access_token`."""

    swap_ties: bool = False
    """Whether rows with equal sort keys change places at each request."""

    limit: int | None = 3000
    """Requests a minute for the whole server, None for no limit."""

    meta_limit: int = 30
    """Requests a minute for the counts, for each user."""


def app(
    world: World, options: Options | None = None, *, accounts: Sequence[Account] | None = None
) -> Starlette:
    """Serve the world's Chatwoot accounts (or only those given) as one installation."""
    server = _Chatwoot(world, options or Options(), accounts)
    served = Starlette(
        routes=[
            Route("/api", server.version, methods=["GET"]),
            Route(PATH, server.index, methods=["GET"]),
            Route(PATH + "/meta", server.meta, methods=["GET"]),
            Route(PATH + "/{conversation:int}", server.show, methods=["GET"]),
        ]
    )
    served.state.refusal = refusal
    return served


def refusal(status: int, wait: float | None = None) -> Response:
    """Return an error. rack-attack answers 429 in plain text without `Retry-After`; `wait` adds it."""
    headers = {} if wait is None else {"Retry-After": str(int(wait))}
    if status == 429:
        return Response("Retry later\n", 429, headers, "text/plain")
    bodies: dict[int, dict[str, object]] = {
        401: {"error": "Invalid Access Token"},
        403: {"error": "Forbidden"},
        404: dict(NOT_FOUND),
    }
    generic: dict[str, object] = {"status": status, "error": "Internal Server Error"}
    return answer(bodies.get(status, generic), status, headers)


def _tagged(request: Request, body: object) -> Response:
    """Return the answer with its weak ETag, or 304 without a body to whoever has it already."""
    whole = answer(body)
    tag = f'W/"{hashlib.sha256(whole.body).hexdigest()[:32]}"'
    if tag in request.headers.get("If-None-Match", "").split(", "):
        return Response(None, 304, {"ETag": tag})
    whole.headers["ETag"] = tag
    return whole


class _Chatwoot:
    def __init__(self, world: World, options: Options, accounts: Sequence[Account] | None) -> None:
        self.world = world
        self.options = options
        self._accounts = accounts
        self._limit = FixedWindows(self._time, options.limit or 0, 60)
        self._meta_limit = FixedWindows(self._time, options.meta_limit, 60)
        self._lists = 0
        self._lingering: dict[tuple[str, str], int] = {}

    async def version(self, request: Request) -> Response:
        """Answer `GET /api`, which asks for no token."""
        if self.options.limit is not None and not self._limit.admit("ip"):
            return refusal(429)
        served = self._served()
        version = served[0].version if served else NEWEST
        return _tagged(
            request,
            {
                "version": written(version),
                "timestamp": f"{self._time():%Y-%m-%d %H:%M:%S}",
                "queue_services": "ok",
                "data_services": "ok",
            },
        )

    async def index(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        if viewer.role == "bot":
            error = "Access to this endpoint is not authorized for bots"
            return answer({"error": error}, 401)
        found = self._find(request, account, viewer)
        self._lists += 1
        if isinstance(found, Response):
            return found
        query, states = found
        options, now = self.options, self.world.time_at(account)
        counts = query.counts(states, viewer)
        page = query.page(states, viewer, now, swap=options.swap_ties and self._lists % 2 == 0)
        shown = await fill(account, page, options.rendering, self._committed)
        if any(state.orphan for state in shown):
            return refusal(500)
        rows = [
            row(account, viewer, state, now, options.activity_delay, columns)
            for columns, state in zip(page, shown, strict=True)
        ]
        return _tagged(request, {"data": {"meta": counts, "payload": rows}})

    async def meta(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        if not self._meta_limit.admit(viewer.user):
            return refusal(429)
        found = self._find(request, account, viewer)
        if isinstance(found, Response):
            return found
        query, states = found
        return _tagged(request, {"meta": query.counts(states, viewer)})

    async def show(self, request: Request) -> Response:
        caller = self._enter(request)
        if isinstance(caller, Response):
            return caller
        account, viewer = caller
        conversation = account.conversations.get(str(request.path_params["conversation"]))
        state = None if conversation is None else self._committed(conversation)
        if conversation is None or state is None or not self._lingers(conversation, state):
            return refusal(404)
        if not viewer.shows(state, account.version):
            return answer(FORBIDDEN, 401)
        now, delay = self.world.time_at(account), self.options.activity_delay
        (shown,) = await fill(account, [state], self.options.rendering, self._committed)
        if shown.orphan:
            return refusal(500)
        return _tagged(request, row(account, viewer, shown, now, delay, state))

    def _find(
        self, request: Request, account: Account, viewer: Viewer
    ) -> tuple[Query, list[State]] | Response:
        """Return the query and the states that it filters, before counting and paging."""
        states = [
            state
            for c in list(account.conversations.values())
            if (state := self._committed(c)) and self._lingers(c, state) and viewer.lists(state)
        ]
        try:
            query = read_query(
                request.query_params.multi_items(),
                account,
                size=self.options.page_size,
                delay=timedelta(seconds=self.options.activity_delay),
            )
        except NotFound:
            return refusal(404)
        return query, [state for state in states if query.matches(state)]

    def _enter(self, request: Request) -> tuple[Account, Viewer] | Response:
        """Check limit, token, account and membership, in Chatwoot's order."""
        if self.options.limit is not None and not self._limit.admit("ip"):
            return refusal(429)
        token = request.headers.get("Api-Access-Token")
        if token is None and not self.options.strips_underscores:
            token = request.headers.get("api_access_token")
        if not token:
            errors = ["You need to sign in or sign up before continuing."]
            return answer({"errors": errors}, 401)
        accounts = self._served()
        if not any(token in account.tokens for account in accounts):
            return refusal(401)
        wanted = request.path_params["account"]
        account = next((each for each in accounts if each.id == wanted), None)
        if account is None:
            return refusal(404)
        viewer = account.tokens.get(token)
        if viewer is None:
            return answer({"error": "You are not authorized to access this account"}, 401)
        if account.suspended:
            return answer({"error": "Account is suspended"}, 401)
        return account, viewer

    def _time(self) -> datetime:
        """Return the installation's time: all its accounts are on one server."""
        served = self._served()
        return self.world.time_at(served[0]) if served else self.world.now()

    def _served(self) -> Sequence[Account]:
        return self.world.of_kind("chatwoot") if self._accounts is None else self._accounts

    def _committed(self, conversation: Conversation) -> State | None:
        return committed(conversation, self.world.now(), self.options.commit_lag)

    def _lingers(self, conversation: Conversation, state: State) -> bool:
        """Return whether it is still there: a deletion is a job that runs a few lists later."""
        if state.gone_at is None:
            return True
        key = (conversation.account.key, conversation.id)
        first = self._lingering.setdefault(key, self._lists)
        return self._lists - first < self.options.delete_lag
