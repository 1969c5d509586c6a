"""Laws of the table of fields: the table, the model and everything derived from them agree."""

from __future__ import annotations

from typing import Any

import pytest

from watcher.catalogue.events import EVENTS
from watcher.catalogue.fields import ATTRIBUTE, CONTACT, FIELDS, PATHS, Field, Kind, differs
from watcher.diff import diff
from watcher.mapping import TARGETS, apply, compile_mapping
from watcher.merge import Known, merge
from watcher.model import Conversation, Observation, from_plain, to_plain
from watcher.pipeline.sanitize import READERS, sanitize
from watcher.providers import Page
from watcher.vocabulary import CHANGING, EVENT_SHAPE, SAMPLES, TEMPLATE_SHAPE, variables

ROWS = pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
FULL: dict[str, Any] = {field.name: field.sample for field in FIELDS.values()}
OTHER: dict[Kind, Any] = {
    "text": "another",
    "count": 1,
    "time": "2026-11-19T10:00:00.000Z",
    "labels": ["another"],
    "reference": {"id": "another", "name": None},
    "message": {
        "text": "another",
        "direction": "inbound",
        "type": None,
        "at": None,
        "automated": None,
        "subject": None,
        "attachments": [],
    },
    "disposition": {**dict.fromkeys(FULL["disposition"]), "label": "another"},
    "json": "another",
}


def other(field: Field) -> Any:
    """Return a plain value of the field's kind that is not its sample."""
    if field.name == "contact":
        return {**field.sample, "name": "another"}
    if field.name == "attributes":
        return {"custom": "another"}
    if field.name == "id":
        return "another"
    if field.derived:
        return field.sample_before
    kind = PATHS[field.name].kind
    return not field.sample if kind == "flag" else OTHER[kind]


def test_the_table_has_each_field_of_the_model_in_its_order() -> None:
    assert list(FIELDS) == list(Conversation.__dataclass_fields__)
    assert list(to_plain(from_plain(FULL))) == list(FIELDS)


@ROWS
def test_a_sample_is_a_value_of_its_field(field: Field) -> None:
    for value in (field.sample, field.sample_before):
        if value is not ...:
            assert to_plain(from_plain(FULL | {field.name: value}))[field.name] == value
    assert SAMPLES[0].data["conversation"][field.name] == field.sample


@ROWS
def test_a_change_of_a_tracked_field_is_told_once_and_by_its_event(field: Field) -> None:
    if field.name == "id":
        return
    before, after = from_plain(FULL | {field.name: other(field)}), from_plain(FULL)
    assert differs(field.name, before, after)
    told = [change for change in diff(Known(before), Known(after)) if field.name in change.changes]
    assert len(told) == field.tracked
    assert (field.name in CHANGING) == field.tracked
    for change in told:
        assert change.type in EVENTS
        assert change.type == (field.event or change.type)
        assert change.changes[field.name] == {"before": other(field), "after": field.sample}


def test_a_person_or_team_under_another_name_is_the_same() -> None:
    for name in ("assignee", "team"):
        renamed = from_plain(FULL | {name: {**FULL[name], "name": "another"}})
        assert not differs(name, from_plain(FULL), renamed)


def test_what_a_row_shows_of_any_field_arrives_in_the_conversation() -> None:
    derived = {field.name: None for field in FIELDS.values() if field.derived}
    conversation = from_plain(FULL | derived | {"attributes": {"custom": 1}})
    fields: dict[str, Any] = {"attributes.custom": 1}
    for path in PATHS:
        head, _, leaf = path.partition(".")
        if head != "attributes":
            holder = conversation.contact if leaf else conversation
            fields[path] = getattr(holder, leaf or head)
    shown = Observation(conversation.id, fields)
    (row,) = sanitize(Page(rows=(shown,))).rows
    assert row == shown
    assert merge(None, row).conversation == conversation


def test_every_path_is_sanitized_and_every_mappable_one_can_be_mapped() -> None:
    assert [*READERS, ATTRIBUTE] == list(PATHS)
    assert list(TARGETS) == [path.name for path in PATHS.values() if path.field.mappable]
    expressions = {name.replace("<name>", "custom"): "x" for name in TARGETS}
    seen = Observation("c1", {}, raw={"x": None})
    mapped, problems = apply(compile_mapping(expressions), seen)
    assert problems == ()
    for name, value in mapped.fields.items():
        path = PATHS.get(name, PATHS[ATTRIBUTE])
        assert path.required == (value is not None), "null is empty where a field may be"


def test_conditions_and_templates_know_every_field() -> None:
    shape = (EVENT_SHAPE.members or {})["conversation"]
    assert list(shape.members or {}) == list(FIELDS)
    contact = (shape.members or {})["contact"]
    assert tuple(contact.members or {}) == CONTACT


def test_the_names_of_an_event_are_the_names_that_are_checked() -> None:
    assert list(variables(SAMPLES[0])) == list(TEMPLATE_SHAPE.members or {})
