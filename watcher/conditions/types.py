"""Which types the operators of CEL accept, and what they return.

Rules: pure; a term in, a term or a problem (message, suggestion) out. A value that may be null
counts as its other type: null depends on the event, not on the expression.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from watcher.suggest import listing, nearest, short
from watcher.vocabulary import ANY, BOOL, STRING, Kind, Shape

__all__ = [
    "WORDS",
    "Problem",
    "Term",
    "combine",
    "demand",
    "either",
    "index",
    "member",
    "never_equal",
    "never_in",
    "walked",
]

Problem = tuple[str, str | None]
"""A message, and what was probably meant."""

_TIMESTAMP, _DURATION = Shape("timestamp"), Shape("duration")
_DATED: Mapping[tuple[Kind, str, Kind], Shape] = {
    ("timestamp", "-", "timestamp"): _DURATION,
    ("timestamp", "-", "duration"): _TIMESTAMP,
    ("timestamp", "+", "duration"): _TIMESTAMP,
    ("duration", "+", "timestamp"): _TIMESTAMP,
    ("duration", "+", "duration"): _DURATION,
    ("duration", "-", "duration"): _DURATION,
}
"""The types of sums and differences of times; there are no others."""

WORDS: dict[Kind, str] = {
    "any": "anything",
    "null": "null",
    "bool": "true or false",
    "number": "a number",
    "string": "a text",
    "list": "a list",
    "map": "an object",
    "timestamp": "a timestamp",
    "duration": "a duration",
}


@dataclass(frozen=True, slots=True)
class Term:
    """What is known of a part of an expression."""

    shape: Shape
    path: str = ""
    """The path that it spells; empty if it is not one."""
    literal: str | None = None
    """Its text, if it is a text literal."""

    def __str__(self) -> str:
        if self.path:
            return f"{self.path} is {WORDS[self.shape.kind]}"
        return f"this is {WORDS[self.shape.kind]}"


def demand(term: Term, kinds: Kind | Collection[Kind], where: str) -> Problem | None:
    """Return a problem if a term cannot have one of the kinds that its place accepts."""
    wanted = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    kind = term.shape.kind
    if not wanted or kind == "any" or kind in wanted:
        return None
    words = " or ".join(WORDS[one] for one in wanted)
    suggestion = None
    if wanted == ("bool",) and term.path:
        plain = {"map": " != null", "string": " != null", "list": ".size() > 0", "number": " > 0"}
        suggestion = term.path + plain[kind] if kind in plain else None
    elif "timestamp" in wanted and kind == "string" and term.path:
        suggestion = f"timestamp({term.path})"
    return f"{term}, but only {words} can stand {where}", suggestion


def combine(operator: str, left: Term, right: Term) -> tuple[Term, Problem | None]:
    """Check a comparison or a sum; `&&`, `||` and `in` have rules of their own."""
    one, other = left.shape, right.shape
    differ = one.known and other.known and one.kind != other.kind
    words = f"{WORDS[one.kind]} with {WORDS[other.kind]}"
    if operator in ("==", "!="):
        never = "they are never equal"
        return Term(BOOL), (f"this compares {words}; {never}", None) if differ else None
    if operator in ("<", "<=", ">", ">="):
        orderless = next((s for s in (one, other) if s.kind in ("null", "list", "map")), None)
        if differ or orderless is not None:
            return Term(BOOL), (f"this compares {words}; they have no order", None)
        return Term(BOOL), None
    dated = {"timestamp", "duration"} & {one.kind, other.kind}
    if dated and operator in ("+", "-"):
        shape = _DATED.get((one.kind, operator, other.kind), ANY)
        impossible = shape is ANY and one.known and other.known
        return Term(shape), (f"{operator!r} cannot join {words}", None) if impossible else None
    if "any" in (one.kind, other.kind):
        return Term(ANY), None
    joinable = ("number", "string", "list") if operator == "+" else ("number",)
    if differ or one.kind not in joinable or other.kind not in joinable:
        return Term(ANY), (f"{operator!r} cannot join {words}", None)
    return Term(one), None


_SYNONYMS = {
    "incoming": "inbound", "in": "inbound", "received": "inbound", "customer": "inbound",
    "outgoing": "outbound", "out": "outbound", "sent": "outbound", "agent": "outbound",
    "private": "internal", "note": "internal",
}  # fmt: skip
"""Words of providers and people, and ours."""

_FEW = 6
"""A set of more values is listed only where none of them is near."""


def never_equal(left: Term, right: Term) -> Problem | None:
    """Return a problem if a value that has a closed set of texts is compared with another text."""
    allowed, text = left.shape.values, right.literal
    if not allowed or text is None or text in allowed:
        return None
    synonym = _SYNONYMS.get(text.casefold())
    near = synonym if synonym in allowed else nearest(text, allowed)
    if near is None:
        ends = {one.rpartition(".")[2]: one for one in reversed(allowed)}
        near = ends.get(text.casefold())
    what = f"{left.path or 'this'} is never {short(text)!r}"
    # Nothing that is compared with the empty text means one of the others.
    known = "" if near and len(allowed) > _FEW else f"; it is one of {listing(allowed)}"
    return what + known, f'"{near}"' if near else None


def never_in(left: Term, right: Term) -> Problem | None:
    """Return a problem if a membership can never hold: `"asignee" in changes`, `3 in labels`."""
    shape = right.shape
    if shape.kind == "string" and left.shape.kind == "string":
        suggestion = f"{right.path}.contains(…)" if right.path else None
        return f"{right}: 'in' looks into a list or an object", suggestion
    if problem := demand(right, ("list", "map"), "after 'in'"):
        return problem
    if shape.kind == "map" and shape.members is not None and left.literal is not None:
        return _missing(right, left.literal)
    element = shape.element
    if element is None or not element.known or not left.shape.known:
        return None
    if element.kind == left.shape.kind:
        return None
    held, sought = WORDS[element.kind], WORDS[left.shape.kind]
    return f"this looks for {sought} in a list where each element is {held}", None


def member(base: Term, name: str) -> tuple[Term, Problem | None]:
    """Return the term of `base.name`."""
    path = f"{base.path}.{name}" if base.path else ""
    shape = base.shape
    if shape.kind == "any":
        return Term(ANY, path), None
    if shape.kind != "map":
        return Term(ANY, path), (f"{base}: it has no field {name!r}", None)
    if shape.members is None:
        return Term(ANY, path), None
    if name in shape.members:
        return Term(shape.members[name], path), None
    return Term(ANY, path), _missing(base, name)


def index(base: Term, key: Term) -> tuple[Term, Problem | None]:
    """Return the term of `base[key]`."""
    shape = base.shape
    if shape.kind == "map":
        if key.literal is not None:
            return member(base, key.literal)
        return Term(ANY), demand(key, "string", "as a key") if shape.members is not None else None
    if shape.kind == "list":
        return Term(shape.element or ANY), demand(key, "number", "as the index of a list")
    if shape.kind == "any":
        return Term(ANY), None
    return Term(ANY), (f"{base}: it has no elements", None)


def walked(shape: Shape) -> Shape:
    """Return the shape of a macro's variable: an element of a list, a key of an object."""
    if shape.kind == "map":
        return STRING if shape.members is not None else ANY
    return shape.element or ANY


def either(one: Shape, other: Shape) -> Shape:
    """Return the shape of a value that has one shape or the other."""
    if one.kind == "null":
        return other
    return one if other.kind in (one.kind, "null") else ANY


def _missing(base: Term, name: str) -> Problem | None:
    """Return a problem if an object never has a key, with a guess at the key that was meant."""
    members = base.shape.members or {}
    if name in members:
        return None
    prefix = f"{base.path}." if base.path else ""
    guess = nearest(name, members)
    if guess is None:
        inner = (key for key, shape in members.items() if name in (shape.members or {}))
        holder = next(inner, None)
        guess = f"{holder}.{name}" if holder else None
    message = f"{base.path or 'this'} has no field {name!r}; it has {', '.join(members) or 'none'}"
    return message, f"{prefix}{guess}" if guess else None
