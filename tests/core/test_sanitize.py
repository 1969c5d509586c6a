"""Sanitizing, by law and by table: what of a page may come in."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import FIELDS, observations
from watcher.catalogue import fields
from watcher.catalogue.bounds import LONGEST_TEXT, LONGEST_WORD
from watcher.model import Conversation, Disposition, Message, Observation, Reference
from watcher.pipeline import sanitize
from watcher.pipeline.sanitize import READERS
from watcher.providers import Page

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)

texts = st.text(st.characters(), max_size=30) | st.sampled_from(["\ud83d", "a\0", "x" * 3_000])
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4)
    | st.tuples(inner, inner),
    max_leaves=20,
)  # fmt: skip
anything = plain | st.datetimes() | st.datetimes(timezones=st.just(UTC)) | st.binary() | st.builds(
    Message, text=plain, direction=plain, type=plain, at=plain | st.datetimes()
) | st.builds(Reference, id=plain, name=plain) | st.tuples(texts, texts)  # fmt: skip
paths = st.sampled_from([*READERS, "attributes.a", "attributes.", "nonsense", "contact.age", ""])
rows = st.builds(
    Observation,
    id=texts | plain,
    fields=st.dictionaries(paths, anything, max_size=6),
    message_id=texts | st.none(),
)


def one(**fields: Any) -> Observation:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    (row,) = sanitize(Page(rows=(Observation("c1", named),))).rows
    return row


@given(st.lists(rows, max_size=3))
def test_whatever_comes_in_can_be_written_as_json_and_is_admitted_again(
    seen: list[Observation],
) -> None:
    page = sanitize(Page(rows=tuple(seen)))
    assert len(page.rows) + page.unusable == len(seen)
    for row in page.rows:
        assert row.id.isprintable()
        for path, value in row.fields.items():
            text = json.dumps(value, default=repr, allow_nan=False, ensure_ascii=False)
            text.encode()
            assert "\\u0000" not in text, path
    again = sanitize(page)
    assert again.rows == page.rows
    assert again.unusable == page.unusable


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\u200b\ufeff", "\r\n", "\u3164"])
def test_blank_is_nothing_whatever_a_plug_in_shows(blank: str) -> None:
    shown = {
        "status": blank,
        "contact.email": blank,
        "labels": (blank, "vip"),
        "last_message": Message(blank, "inbound", blank),
        "assignee": Reference("u1", blank),
        "disposition": Disposition(label=blank),
        "attributes.note": blank,
    }
    (row,) = sanitize(Page(rows=(Observation("c1", shown),))).rows
    assert row.fields == {
        "status": None,
        "contact.email": None,
        "labels": ("vip",),
        "last_message": Message(None, "inbound"),
        "assignee": Reference("u1"),
        "disposition": None,
        "attributes.note": blank.replace("\0", ""),  # the provider's own JSON stays as it is
    }
    page = sanitize(Page(rows=(Observation("c1", {"team": Reference(blank)}),)))
    assert page.rows[0].fields == {}
    assert page.complaints == ("conversation c1: team has no id",)


@given(st.lists(observations(), max_size=5))
def test_what_real_rows_show_comes_in_untouched(seen: list[Observation]) -> None:
    page = sanitize(Page(rows=tuple(seen), total=7, complaints=("row 1: odd",)))
    assert page == Page(rows=tuple(seen), total=7, complaints=("row 1: odd",))
    assert all(a is b for a, b in zip(page.rows, seen, strict=True))
    assert set(FIELDS) - set(READERS) == {"attributes.starred", "attributes.snoozed_until"}


@pytest.mark.parametrize(
    ("path", "value", "admitted"),
    [
        ("contact.name", "Bo \ud83d", "Bo ?"),
        ("contact.name", "a\0b", "a�b"),
        ("contact.name", "x" * 5_000, "x" * (LONGEST_WORD - 1) + "…"),
        ("labels", ("b\0", "a"), ("a", "b�")),
        ("assignee", Reference("u\ud83d", "n"), Reference("u?", "n")),
        ("team", Reference("7", "\0"), Reference("7", "�")),
        ("last_message", Message("\ude00", at=AT), Message("?", at=AT)),
        ("last_message", Message("y" * 200_000), Message("y" * (LONGEST_TEXT - 1) + "…")),
        ("disposition", Disposition(label="won\0"), Disposition(label="won�")),
        ("created_at", AT.astimezone(timezone(timedelta(hours=2))), AT),
        ("attributes.a", {"n": 2**70, "m": (1, 2)}, {"n": str(2**70), "m": [1, 2]}),
        ("attributes.a", {"\ud83d": "\ud83d"}, {"?": "?"}),
        ("attributes.a", 2**63 - 1, 2**63 - 1),
    ],
)
def test_what_can_be_repaired_is(path: str, value: Any, admitted: Any) -> None:
    assert one(**{path.replace(".", "__"): value}).fields[path] == admitted


DEEP: Any = []
for _ in range(40):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("unread", 1), ("unread", None), ("archived", "no"), ("unread_count", -1),
        ("unread_count", 2**60), ("unread_count", True), ("unread_count", 1.0), ("status", 7),
        ("labels", ["a"]), ("labels", ("a", 1)), ("labels", ("a",) * 1_001), ("assignee", "u1"),
        ("assignee", Reference(7)), ("last_message", "hello"),  # type: ignore[arg-type]
        ("last_message", Message(direction="up")),  # type: ignore[arg-type]
        ("last_message", Message("x", at=datetime(9999, 1, 1, tzinfo=UTC))),
        ("last_activity_at", datetime(1, 1, 1, tzinfo=UTC)), ("created_at", datetime(2026, 1, 1)),  # noqa: DTZ001
        ("created_at", datetime(2200, 1, 1, tzinfo=UTC)), ("created_at", 1_763_632_740),
        ("attributes.a", math.nan), ("attributes.a", [{"x": math.inf}]), ("attributes.a", DEEP),
        ("attributes.a", [0] * 6_000), ("attributes.a", ["x" * 60_000] * 2), ("attributes.a", {1: 2}),
        ("attributes.a", 2**2_000), ("attributes.a", {"x"}), ("attributes.", 1), ("favourite", 1),
        ("contact.age", 1), ("disposition", "won"),
    ],
)  # fmt: skip
def test_what_cannot_come_in_leaves_the_old_value_and_a_complaint(path: str, value: Any) -> None:
    row = Observation("c1", {path: value, "channel": "sms"}, absent=frozenset({path}))
    page = sanitize(Page(rows=(row,)))
    assert page.rows == (Observation("c1", {"channel": "sms"}),)
    (complaint,) = page.complaints
    assert complaint.startswith(f"conversation c1: {path} ")
    assert page.unusable == 0


@pytest.mark.parametrize("id_", ["", " ", ".", "..", "a\nb", "a\0", "\ud83d", "x" * 513, 7, None])
def test_a_row_without_a_usable_id_is_unusable(id_: Any) -> None:
    page = sanitize(Page(rows=(Observation(id_, {}), Observation("c2", {})), unusable=1))
    assert [row.id for row in page.rows] == ["c2"]
    assert page.unusable == 2
    assert page.complaints == ("row 1: invalid id",)


def test_complaints_are_lines_and_not_endless() -> None:
    page = sanitize(Page(complaints=("a\x1b[2J\nb", *("x" * 9_000,) * 500), total=2**60))
    assert page.complaints[0] == "a[2J b"
    assert len(page.complaints) == 21
    assert page.complaints[-1] == "and 481 more complaints about this page"
    assert max(map(len, page.complaints)) <= 400
    assert page.total is None


def test_every_field_of_a_conversation_has_a_reader() -> None:
    derived = {field.name for field in fields.FIELDS.values() if field.derived}
    heads = {path.partition(".")[0] for path in READERS} | {"id", "attributes"} | derived
    assert heads == set(Conversation.__dataclass_fields__)
