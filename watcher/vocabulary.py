"""The names that conditions and templates may use, their shapes, and sample events.

Rules: values and pure functions. The shapes are derived from `watcher.model`, the samples from
`watcher.catalogue.fields`: what is added there is known here.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from watcher.catalogue.bounds import LONGEST_TEXT, LONGEST_WORD, MOST_LABELS, MOST_PARTS
from watcher.catalogue.events import EVENTS
from watcher.catalogue.fields import FIELDS
from watcher.links import LinkAction
from watcher.model import Conversation, Event, to_plain

__all__ = [
    "ANY",
    "BOOL",
    "CHANGING",
    "DIGEST_SHAPE",
    "EVENT_SHAPE",
    "LARGEST",
    "NUMBER",
    "SAMPLES",
    "STRING",
    "TEMPLATE_SHAPE",
    "WEEKDAYS",
    "Kind",
    "Moment",
    "Shape",
    "digest_shape",
    "local_time",
    "moment",
    "variables",
]

Kind = Literal["any", "null", "bool", "number", "string", "list", "map", "timestamp", "duration"]


@dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a value's type. Every value may also be null."""

    kind: Kind
    """`any` is a value of which nothing is known, such as those inside `attributes`."""

    members: Mapping[str, Shape] | None = field(default=None, hash=False)
    """The shapes of a map's values; None where its keys are open."""

    element: Shape | None = None
    """The shape of a list's elements."""

    values: tuple[str, ...] = ()
    """All texts that the value can be; empty where it can be any text."""

    @property
    def known(self) -> bool:
        """Whether its type can be compared with another one."""
        return self.kind not in ("any", "null")


ANY = Shape("any")
BOOL = Shape("bool")
NUMBER = Shape("number")
STRING = Shape("string")


def _shape(hint: Any) -> Shape:
    """Return the shape of the JSON form of a type of `watcher.model`."""
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        hints = get_type_hints(hint)
        names = [one.name for one in dataclasses.fields(hint)]
        return Shape("map", {name: _shape(hints[name]) for name in names})
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _shape(next(one for one in arguments if one is not NoneType))
    if origin is tuple:
        return Shape("list", element=_shape(arguments[0]))
    if origin is Literal:
        return Shape("string", values=arguments)
    if hint in (str, datetime):
        return STRING
    if hint is bool:
        return BOOL
    if hint in (int, float):
        return NUMBER
    if origin is Mapping:
        return Shape("map")
    return ANY


WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
"""All texts of `local.weekday`, as `days` has them."""

OUTCOMES = tuple(dict.fromkeys(word for one in EVENTS.values() for word in one.outcomes))
"""All texts of `data.outcome`: how a wait ended, how a hold was decided, and what became of a trouble."""

_CONVERSATION = _shape(Conversation)
CHANGING: Mapping[str, Shape] = {
    name: shape for name, shape in (_CONVERSATION.members or {}).items() if FIELDS[name].tracked
}
"""The fields that can be a key of `changes`, with the shape of their values."""

EVENT_SHAPE = Shape(
    "map",
    {
        "type": Shape("string", values=tuple(EVENTS)),
        "source": STRING,
        "provider": STRING,
        "conversation": _CONVERSATION,
        "changes": Shape(
            "map",
            {
                name: Shape("map", {"before": shape, "after": shape})
                for name, shape in CHANGING.items()
            },
        ),
        "observed": Shape("map", {"after": STRING, "before": STRING}),
        "local": Shape(
            "map",
            {
                "hour": NUMBER,
                "minute": NUMBER,
                "weekday": Shape("string", values=WEEKDAYS),
                "date": STRING,
            },
        ),
        "delay": NUMBER,
        "reason": STRING,
        "outcome": Shape("string", values=OUTCOMES),
        "waited": NUMBER,
    },
)
"""The root names of conditions and templates, and the names below them."""

_LINKS = Shape("map", dict.fromkeys(get_args(LinkAction), STRING))

TEMPLATE_SHAPE = Shape(
    "map",
    {
        **(EVENT_SHAPE.members or {}),
        "resolved": Shape(
            "map", {"reason": STRING, "since": STRING, "at": STRING, "seconds": NUMBER}
        ),
        "links": _LINKS,
    },
)
"""The root names of templates: `resolved` is null but in the message that tells of an end, and `links`
without `server.public_url`.
"""


def digest_shape(event: Shape) -> Shape:
    """Return the root names of the templates of a rule with `digest`, for events of this shape."""
    members = {**(event.members or {}), "links": _LINKS}
    return Shape("map", {"events": Shape("list", element=Shape("map", members))})


DIGEST_SHAPE = digest_shape(EVENT_SHAPE)
"""The root names of the templates of a rule with `digest`."""


def local_time(at: datetime, zone: tzinfo) -> dict[str, Any]:
    """Return what a clock on a wall shows at an instant: the value of `local`."""
    there = at.astimezone(zone)
    return {
        "hour": there.hour,
        "minute": there.minute,
        "weekday": WEEKDAYS[there.weekday()],
        "date": f"{there:%Y-%m-%d}",
    }


def variables(event: Event, zone: tzinfo = UTC) -> dict[str, Any]:
    """Return the values of the root names for one event; None where the event has none.

    `local` is the event's time in `zone`.

    `source` is the name of the configured source, for `receiver.*` and `delivery.dead` the
    receiver's. `changes` is empty rather than null, so that `has(changes.assignee)` always has an
    answer. `delay` is the greatest possible age of the change in whole seconds (see `moment`), never null.
    """
    age = (event.time - moment(event).at).total_seconds()
    return {
        "type": event.type,
        "source": event.source,
        "provider": event.data.get("provider"),
        "conversation": event.data.get("conversation"),
        "changes": event.data.get("changes") or {},
        "observed": event.data.get("observed"),
        "local": local_time(event.time, zone),
        "delay": max(0, math.ceil(age)),
        "reason": event.data.get("reason"),
        "outcome": event.data.get("outcome"),
        "waited": event.data.get("waited"),
        "resolved": (event.data.get("delivery") or {}).get("resolved"),
        "links": event.data.get("links"),
    }


A_LITTLE = timedelta(seconds=60)


class Moment(NamedTuple):
    """When an event's change happened."""

    at: datetime
    known: bool
    """Whether it happened at that time; otherwise, it happened at some time after it."""


def moment(event: Event) -> Moment:
    """Return when an event's change happened.

    The conversation's own time counts where it has one that lies between the two observations.
    Otherwise, the change is only known to have happened after the first of them. An event about
    the watcher itself happens when it is recorded.
    """
    observed = event.data.get("observed")
    after = _time(observed.get("after")) if isinstance(observed, Mapping) else None
    if after is None:
        return Moment(event.time, known=True)
    own = _own_time(event)
    # The provider's clock may be a little ahead; what lies further outside shows a clock that is wrong.
    if own is not None and after <= own <= event.time + A_LITTLE:
        return Moment(min(own, event.time), known=True)
    return Moment(min(after, event.time), known=False)


def _own_time(event: Event) -> datetime | None:
    value = event.data.get("conversation")
    # A reply makes no conversation unread: a person marked it, at an unknown time.
    if event.type == "conversation.unread" and _direction(value) == "outbound":
        return None
    kind = EVENTS.get(event.type)
    if kind is None or not kind.happened_at:
        return None
    for name in kind.happened_at:
        value = value.get(name) if isinstance(value, Mapping) else None
    return _time(value)


def _direction(conversation: Any) -> Any:
    message = conversation.get("last_message") if isinstance(conversation, Mapping) else None
    return message.get("direction") if isinstance(message, Mapping) else None


def _time(value: Any) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


_AT = "2026-11-20T10:00:00.000Z"
_FULL = {one.name: one.sample for one in FIELDS.values()}
_BEFORE = {
    one.name: one.sample if one.sample_before is ... else one.sample_before
    for one in FIELDS.values()
}
_BARE = to_plain(Conversation(_FULL["id"]))


def _sample(kind: str, **data: Any) -> Event:
    subject = _FULL["id"] if data.get("conversation") else None
    plain = {"source": "sales", "provider": "highlevel", **data}
    return Event("sample", kind, "sales", subject, datetime(2026, 11, 20, 10, tzinfo=UTC), plain)


_OBSERVED = {"after": "2026-11-20T09:59:30.000Z", "before": _AT}

SAMPLES: tuple[Event, ...] = (
    _sample(
        "conversation.unread",
        conversation=_FULL,
        changes={name: {"before": _BEFORE[name], "after": _FULL[name]} for name in CHANGING},
        observed=_OBSERVED,
        reason="deleted",
        outcome="answered",
        waited=900,
        delivery={"resolved": {"reason": "it was read", "since": _AT, "at": _AT, "seconds": 900}},
    ),
    _sample("conversation.created", conversation=_BARE, changes={}, observed=_OBSERVED),
    _sample(
        "conversation.updated",
        conversation=_BARE,
        changes={name: {"before": _BARE[name], "after": _BARE[name]} for name in CHANGING},
        observed={"after": None, "before": _AT},
    ),
    _sample(
        "source.failing",
        reason="the provider refuses the token",
        remedy="renew the token",
        since=_AT,
    ),
)
"""Events to try an expression on. In the first every field has a value; the others are sparse."""


class _Anything(dict[str, Any]):
    """The attributes of a conversation, where each that is asked for is the same value."""

    def __init__(self, value: Any) -> None:
        super().__init__(anything=value)
        self._value = value

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> Any:
        return self._value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key]


def _largest(text: str, attribute: Any) -> Event:
    """Return the first sample with every text as long as it can come in, made of `text`."""
    word = (text * LONGEST_WORD)[:LONGEST_WORD]
    labels = [word] * MOST_LABELS

    def grown(value: Any) -> Any:
        if isinstance(value, str):
            return value if _time(value) else word
        if isinstance(value, Mapping):
            return {name: grown(one) for name, one in value.items()}
        return labels if isinstance(value, list | tuple) else value

    conversation = {
        **grown(_FULL),
        "last_message": {
            **grown(_FULL["last_message"]),
            "text": (text * LONGEST_TEXT)[:LONGEST_TEXT],
        },
        "attributes": _Anything(attribute),
    }
    changes = {
        name: {"before": conversation[name], "after": conversation[name]} for name in CHANGING
    }
    data = {**SAMPLES[0].data, "conversation": conversation, "changes": changes}
    return dataclasses.replace(SAMPLES[0], data=data)


LARGEST: tuple[Event, ...] = (
    _largest("a ", ["a" * (LONGEST_TEXT // MOST_PARTS)] * MOST_PARTS),
    _largest("\n<", "a " * (LONGEST_TEXT // 2)),
)
"""Events as large as they can come in, to try on them whether a budget suffices. Each attribute is a list
in the first, a text in the second."""
