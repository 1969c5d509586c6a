"""Chatwoot's answers: a page of the list, or one conversation by itself.

Law: pure; reads bodies of answers with status 200 and decides nothing about walks.

Facts are from Chatwoot's own source, v4.15.1: `index.json.jbuilder` (`data.meta`, `data.payload`)
and `show.json.jbuilder` (the row itself, not wrapped).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, FailFast, Field, ValidationError

from watcher.errors import SourceChanged
from watcher.model import Observation, derive_id
from watcher.providers import Response
from watcher.providers._chatwoot_wire import Row, Wire, WireRow, observe
from watcher.providers.answers import MOST_ROWS, check_size, json_body

__all__ = ["Listing", "read_conversation", "read_listing"]

EXPECTED = ("status", "unread_count", "labels", "meta")
"""Keys that every row has had in every version since v2."""


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class _Counts(Wire):
    all_count: Annotated[int | None, BeforeValidator(_count)] = None


class _Inner(Wire):
    meta: _Counts
    payload: Annotated[list[WireRow], FailFast(), Field(max_length=MOST_ROWS)]


class _Envelope(Wire):
    data: _Inner


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of the list. `ids` has one entry for every row, in the page's order; unreadable
    rows (counted in `unusable`) have a stand-in derived from their content, so that a page that
    repeats is recognised as such. `total` is `all_count`, None where there is none.
    """

    rows: tuple[Row, ...]
    ids: tuple[str, ...]
    total: int | None
    complaints: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def observations(self) -> tuple[Observation, ...]:
        return tuple(row.observation for row in self.rows)

    @property
    def unusable(self) -> int:
        return len(self.ids) - len(self.rows)


def read_listing(response: Response, *, links: str, raw: bool) -> Listing:
    """Read `{"data": {"meta": …, "payload": [row, …]}}`; raises SourceChanged for anything else.

    `links` is the address in Chatwoot's own app under which conversations stand. With `raw`
    each observation carries its decoded row.
    """
    check_size(response.body)
    if not raw:
        try:
            inner = _Envelope.model_validate_json(response.body).data
        except ValidationError:
            pass  # row by row, to keep the good ones and to name the bad ones
        else:
            rows = tuple(observe(wire, links, None) for wire in inner.payload)
            ids = tuple(wire.id for wire in inner.payload)
            missing = _missing(inner.payload)
            return Listing(rows, ids, inner.meta.all_count, (), missing)
    return _row_by_row(_decode(response), links, raw)


def read_conversation(response: Response, *, links: str, raw: bool) -> Row:
    """Read a single conversation, which comes unwrapped; raises SourceChanged."""
    plain = _decode(response)
    try:
        wire = WireRow.model_validate(plain)
    except ValidationError as error:
        raise SourceChanged(
            f"Chatwoot's answer is no conversation ({_fault(error)})",
            "check that base_url is the address of Chatwoot itself",
        ) from None
    return observe(wire, links, plain if raw else None)


def _decode(response: Response) -> Any:
    plain = json_body(response)
    if plain is None:
        raise SourceChanged(
            "Chatwoot's answer is not JSON",
            "check base_url: a sign-in page or a proxy may answer in its place",
        )
    return plain


def _row_by_row(plain: Any, links: str, raw: bool) -> Listing:
    inner = plain.get("data") if isinstance(plain, dict) else None
    meta, payload = (inner.get("meta"), inner.get("payload")) if isinstance(inner, dict) else (0, 0)
    if not isinstance(meta, dict) or not isinstance(payload, list):
        raise SourceChanged(
            "Chatwoot's answer has no data.meta and data.payload",
            "check that base_url and account_id lead to Chatwoot's API",
        )
    if len(payload) > MOST_ROWS:
        raise SourceChanged(f"Chatwoot's answer has {len(payload)} rows, which no page has")
    wires: list[WireRow] = []
    rows: list[Row] = []
    ids: list[str] = []
    complaints: list[str] = []
    for row in payload:
        try:
            wire = WireRow.model_validate(row)
        except ValidationError as error:
            ids.append(derive_id(repr(row)))
            named = row.get("id") if isinstance(row, dict) else None
            name = str(named)[:20] if isinstance(named, int) else f"number {len(ids)} of the page"
            complaints.append(f"conversation {name} cannot be read: {_fault(error)}")
        else:
            wires.append(wire)
            ids.append(wire.id)
            rows.append(observe(wire, links, row if raw else None))
    total = _count(meta.get("all_count"))
    return Listing(tuple(rows), tuple(ids), total, tuple(complaints), _missing(wires))


def _fault(error: ValidationError) -> str:
    """Name the first fault by place and kind; never the value, which may be a customer's words."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    return f"{place}: {first['type'].replace('_', ' ')}"


def _missing(wires: list[WireRow]) -> tuple[str, ...]:
    shown: set[str] = set().union(*(wire.model_fields_set for wire in wires))
    return tuple(key for key in EXPECTED if wires and key not in shown)
