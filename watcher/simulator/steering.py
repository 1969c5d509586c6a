"""One fake service that can be steered over HTTP, next to the API that it fakes.

    GET    /_simulator/               what it is, and what can be done
    GET    /_simulator/conversations  every conversation in the words of the contract
    GET    /_simulator/truth          what an ideal watcher has to report so far
    GET    /_simulator/requests       every request to the faked API
    POST   /_simulator/ACTION         let something happen: `message`, `greet`, `answer`, `assign`, …
    POST   /_simulator/install        another version of Chatwoot: {"version": "3.16"}
    POST   /_simulator/clock          the server's clock so many seconds ahead: {"off": -600}
    POST   /_simulator/faults         let requests fail: {"status": 429, "wait": 7, "after": 20}
    DELETE /_simulator/faults         end that

Rules: an ASGI application; it changes the world through the world's own methods alone. It asks for no
credentials, so it belongs on loopback.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from watcher.simulator import faults
from watcher.simulator.contract import canonical, rfc3339
from watcher.simulator.faults import Fault, Faults
from watcher.simulator.script import lively
from watcher.simulator.state import Account, Agent, Conversation, Impossible, Team
from watcher.simulator.truth import TruthEntry
from watcher.simulator.versions import read_version, written
from watcher.simulator.world import World

__all__ = ["ACTIONS", "Steered", "fault_of"]

PREFIX = "/_simulator"

ACTIONS = (
    "activity", "answer", "archive", "assign", "attach", "delete",
    "delete_contact", "delete_step", "edit", "follow", "grant_access",
    "greet", "lose", "mark_unread", "mend", "message", "orphan", "read", "rename_contact", "retract",
    "revoke_access", "set_attribute", "set_disposition", "set_labels", "set_priority", "set_status",
    "set_team", "snooze", "snooze_expires", "star", "tear", "unarchive",
)  # fmt: skip
"""Methods of `World` that take a conversation."""

FARTHEST = 7 * 86_400.0
"""Seconds by which a clock may be off."""

BEGINNINGS = ("create", "appear")
"""Methods of `World` that make one."""


class _Wrong(Exception):
    """A request that cannot be done; the text says why."""


class Steered:
    """The fake of one account, with its control endpoint. `faults` and `script` may be used directly."""

    def __init__(self, world: World, account: Account, app: Starlette) -> None:
        self.world = world
        self.account = account
        self.faults = Faults(app, world.clock)
        self.script = lively(world)
        self._control = Starlette(
            routes=[
                Mount(
                    PREFIX,
                    routes=[
                        Route("/", self._describe),
                        Route("/conversations", self._conversations),
                        Route("/truth", self._truth),
                        Route("/requests", self._requests),
                        Route("/faults", self._plan, methods=["POST"]),
                        Route("/faults", self._clear, methods=["DELETE"]),
                        Route("/install", self._install, methods=["POST"]),
                        Route("/clock", self._clock, methods=["POST"]),
                        Route("/{action}", self._act, methods=["POST"]),
                    ],
                )
            ],
            exception_handlers={_Wrong: _refuse, Impossible: _refuse},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            await self._control(scope, receive, send)
        else:
            await self.faults(scope, receive, send)

    async def _describe(self, _request: Request) -> JSONResponse:
        usage = {name: _usage(getattr(self.world, name)) for name in ACTIONS}
        usage |= {name: list(_wanted(getattr(self.world, name))) for name in BEGINNINGS}
        usage |= {"step": [], "install": ["version"], "clock": ["off"]}
        return JSONResponse(
            {
                "account": self.account.key,
                "version": written(self.account.version),
                "clock_off": self.account.clock_off.total_seconds(),
                "conversations": len(self.account.living()),
                "agents": [agent.name for agent in self.account.agents],
                "teams": [team.name for team in self.account.teams],
                "actions": usage,
            }
        )

    async def _conversations(self, _request: Request) -> JSONResponse:
        kind, version = self.account.kind, self.account.version
        return JSONResponse(
            [canonical(kind, each.state, version) for each in self.account.living()]
        )

    async def _truth(self, _request: Request) -> JSONResponse:
        return JSONResponse([_plain(entry) for entry in self.world.truth])

    async def _requests(self, _request: Request) -> JSONResponse:
        return JSONResponse(
            [{**dataclasses.asdict(one), "at": rfc3339(one.at)} for one in self.faults.log]
        )

    async def _plan(self, request: Request) -> JSONResponse:
        wanted = await _read(request)
        after = wanted.pop("after", 0)
        if not isinstance(after, int):
            raise _Wrong("`after` is the number of requests that still succeed")
        first = len(self.faults.log) + after
        self.faults.plan(fault_of(wanted), lambda seen: seen.number > first)
        return JSONResponse({"fails_from": first + 1})

    async def _clear(self, _request: Request) -> JSONResponse:
        self.faults.clear()
        return JSONResponse({})

    async def _install(self, request: Request) -> JSONResponse:
        given = await _read(request)
        try:
            version = read_version(str(given.pop("version", "")))
        except ValueError as error:
            raise _Wrong(str(error)) from None
        if given:
            raise _Wrong(f"unknown: {', '.join(sorted(given))}; known is version")
        self.world.install(self.account, version)
        return JSONResponse({"version": written(self.account.version)})

    async def _clock(self, request: Request) -> JSONResponse:
        match await _read(request):
            case {"off": int() | float() as off, **rest} if not rest and abs(off) <= FARTHEST:
                self.world.set_clock(self.account, off)
                return JSONResponse({"clock_off": off})
        raise _Wrong('a clock is {"off": -600}: the seconds by which it is ahead, a week at most')

    async def _act(self, request: Request) -> JSONResponse:
        """Let something happen; answer with what an ideal watcher reports about it."""
        name, given = request.path_params["action"], await _read(request)
        before, said = len(self.world.truth), ""
        if name == "step":
            said = self.script.step()
        elif name in BEGINNINGS:
            method = getattr(self.world, name)
            method(self.account, **_arguments(method, given))
        elif name in ACTIONS:
            conversation = self._find(given.pop("conversation", None))
            method = getattr(self.world, name)
            hints = get_type_hints(method)
            for key in given.keys() & hints.keys():
                if known := self._staff(hints[key]):
                    given[key] = _named(given[key], known)
            method(conversation, **_arguments(method, given))
        else:
            raise _Wrong(f"there is no action {name}; see GET {PREFIX}/")
        truth = [_plain(entry) for entry in self.world.truth.entries[before:]]
        return JSONResponse({"said": said, "truth": truth})

    def _staff(self, hint: Any) -> list[Agent] | list[Team] | None:
        """Return who may be named where a method takes an agent or a team, None for anything else."""
        kinds = get_args(hint) or (hint,)
        if Agent in kinds:
            return self.account.agents
        return self.account.teams if Team in kinds else None

    def _find(self, name: Any) -> Conversation:
        """Return the named conversation; without a name the oldest one."""
        living = self.account.living()
        found = [one for one in living if name is None or one.id == str(name)]
        if not found:
            raise _Wrong(f"there is no conversation {name}; see GET {PREFIX}/conversations")
        return found[0]


def fault_of(wanted: Mapping[str, Any]) -> Fault:
    """Return the fault that one of `status` (with `wait`), `slow`, `html`, `hang`, `cut` or `endless`
    (with `text`) describes.
    """
    match dict(wanted):
        case {"status": int(code), **rest} if set(rest) <= {"wait"}:
            wait = rest.get("wait")
            return faults.status(code, None if wait is None else float(wait))
        case {"slow": int() | float() as seconds, **rest} if not rest:
            return faults.slow(seconds)
        case {"html": int(code), **rest} if not rest:
            return faults.html(code)
        case {"hang": True, **rest} if not rest:
            return faults.hang()
        case {"cut": True, **rest} if not rest:
            return faults.truncated()
        case {"endless": int(rows), **rest} if 0 < rows <= 1000 and set(rest) <= {"text"}:
            return faults.endless(rows, int(rest.get("text", 0)))
    raise _Wrong(
        'a fault is {"status": 429, "wait": 7}, {"slow": 2}, {"html": 502}, {"hang": true},'
        ' {"cut": true} or {"endless": 50, "text": 10000}, with "after" for how many requests still succeed'
    )


def _refuse(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 409 if isinstance(error, Impossible) else 400)


async def _read(request: Request) -> dict[str, Any]:
    if not await request.body():
        return {}
    try:
        given = await request.json()
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _Wrong("the body is a JSON object")
    return given


def _usage(method: Callable[..., Any]) -> list[str]:
    """Return the names of a method's arguments after the conversation."""
    return ["conversation", *_wanted(method)]


def _wanted(method: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the arguments after the first that can be written in JSON."""
    wanted = list(inspect.signature(method).parameters.values())[1:]
    return {each.name: each for each in wanted if each.name not in ("contact", "inbox", "at")}


def _arguments(method: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments for a method of the world, in its own types."""
    hints = get_type_hints(method)
    known = _wanted(method)
    if unknown := sorted(set(given) - set(known)):
        raise _Wrong(f"unknown: {', '.join(unknown)}; known are {', '.join(known) or 'none'}")
    lacking = [
        each.name
        for each in known.values()
        if each.default is each.empty
        and each.kind is not each.VAR_KEYWORD
        and each.name not in given
    ]
    if lacking:
        raise _Wrong(f"lacks {', '.join(lacking)}")
    try:
        return {
            key: value
            if isinstance(value, Agent | Team | None)
            else TypeAdapter(hints[key]).validate_python(value)
            for key, value in given.items()
        }
    except ValidationError as error:
        raise _Wrong(f"{error.errors()[0]['msg']}: {error.errors()[0]['input']!r:.60}") from None


def _named(name: Any, known: list[Agent] | list[Team]) -> Agent | Team | None:
    """Return the agent or team with a name or an id, None for null."""
    if name is None:
        return None
    for one in known:
        if name in (one.name, one.id):
            return one
    raise _Wrong(f"there is no {name}; there are {', '.join(one.name for one in known)}")


def _plain(entry: TruthEntry) -> dict[str, Any]:
    plain = dataclasses.asdict(entry)
    return {
        key: rfc3339(value) if isinstance(value, datetime) else value
        for key, value in plain.items()
    }
