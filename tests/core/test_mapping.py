"""Laws and tables of `fields:`: what is read from a raw row, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.mapping import (
    MappingError,
    apply,
    compile_mapping,
    differing,
    fingerprint,
    targets,
)
from watcher.model import Disposition, Observation, Reference

AT = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


def seen(raw: dict[str, Any], **fields: Any) -> Observation:
    return Observation("c1", fields, raw=raw)


def read(target: str, value: Any) -> Any:
    observation, problems = apply(compile_mapping({target: "x"}), seen({"x": value}))
    assert problems == ()
    return observation.fields[target]


@pytest.mark.parametrize(
    ("target", "value", "expected"),
    [
        ("disposition", "Won", Disposition(label="Won")),
        ("disposition", 7, Disposition(label="7")),
        ("disposition", True, Disposition(label="true")),
        ("disposition", None, None),
        ("disposition", "", None),
        ("disposition", "  ", None),
        ("disposition", "\u00a0\u200b", None),
        ("priority", "\ufeff", None),
        ("disposition", [], None),
        ("disposition", {}, None),
        ("disposition", {"id": 3, "label": "Won", "outcome": "positive"},
         Disposition("3", "Won", "positive")),
        ("disposition", {"name": "Won", "noise": 1}, Disposition(label="Won")),
        ("disposition", {"displayName": "Won"}, Disposition(label="Won")),
        ("disposition",
         {"label": "a", "changed_at": "2026-11-20T11:00:00+01:00", "changed_by": {"name": "Ana"}},
         Disposition(label="a", changed_at=AT, changed_by="Ana")),
        ("disposition", {"label": "a", "changed_at": 1795168800000},
         Disposition(label="a", changed_at=AT)),
        ("disposition", {"label": "a", "changed_at": 1795168800},
         Disposition(label="a", changed_at=AT)),
        ("assignee", "u1", Reference("u1")),
        ("assignee", 7, Reference("7")),
        ("assignee", {"id": 7, "name": "Ana"}, Reference("7", "Ana")),
        ("assignee", {"name": "Ana"}, Reference("Ana", "Ana")),
        ("team", None, None),
        ("team", "", None),
        ("labels", ["b", "a", "b", None, ""], ("a", "b")),
        ("labels", [{"title": "b"}, {"name": "a"}, 3], ("3", "a", "b")),
        ("labels", "b, a ,,b", ("a", "b")),
        ("labels", None, ()),
        ("unread", True, True),
        ("unread", None, False),
        ("unread", 0, False),
        ("unread", "Yes", True),
        ("archived", "false", False),
        ("status", "open", "open"),
        ("status", 2.0, "2"),
        ("priority", False, "false"),
        ("channel", "", None),
        ("contact.name", " Maria ", "Maria"),
        ("contact.phone", 15550100, "15550100"),
        ("attributes.score", {"a": [1, None]}, {"a": [1, None]}),
        ("attributes.score", None, None),
    ],
)  # fmt: skip
def test_a_value_becomes_the_fields_type(target: str, value: Any, expected: Any) -> None:
    assert read(target, value) == expected


@pytest.mark.parametrize(
    ("target", "value", "found"),
    [
        ("disposition", ["Won"], "a list"),
        ("disposition", {"noise": 1}, "an object"),
        ("disposition", {"label": "a", "changed_at": "yesterday"}, "RFC 3339"),
        ("assignee", [1], "a list"),
        ("assignee", {"noise": 1}, "an object"),
        ("status", {"a": 1}, "an object"),
        ("contact.email", ["a"], "a list"),
    ],
)
def test_a_value_of_the_wrong_type_is_not_shown_and_told(
    target: str, value: Any, found: str
) -> None:
    row = seen({"x": value}, **{target: "as the provider says"})
    observation, (problem,) = apply(compile_mapping({target: "x"}), row)
    assert target not in observation.fields
    assert found in problem
    assert problem.startswith(f"fields.{target}: 'x' is ")


@pytest.mark.parametrize(
    ("target", "value"),
    [("unread", "perhaps"), ("archived", [1]), ("labels", 7), ("labels", [["a"]])],
)
def test_what_a_conversation_always_has_is_not_shown_rather_than_null(
    target: str, value: Any
) -> None:
    mapping = compile_mapping({target: "x"})
    observation, problems = apply(mapping, seen({"x": value}, **{target: "as the provider says"}))
    assert target not in observation.fields
    assert len(problems) == 1


def test_an_expression_that_fails_on_a_row_is_told_without_the_rows_values() -> None:
    mapping = compile_mapping({"status": "length(x)"})
    observation, (problem,) = apply(mapping, seen({"x": 4711}))
    assert observation.fields["status"] is None
    assert "4711" not in problem


def test_a_mapped_field_replaces_what_the_provider_reads_and_others_stay() -> None:
    mapping = compile_mapping({"status": "state || kind", "priority": "nothing.here"})
    row = Observation(
        "c1", {"status": "x", "unread": True}, frozenset({"status"}), "m1", {"kind": "k"}
    )
    observation, _ = apply(mapping, row)
    assert observation.fields == {"status": "k", "unread": True, "priority": None}
    assert observation.absent == {"priority"}
    assert observation.message_id == "m1"


def test_a_row_that_was_not_decoded_stays_as_it_is() -> None:
    row = Observation("c1", {"status": "x"})
    assert apply(compile_mapping({"status": "x"}), row) == (row, ())


@pytest.mark.parametrize(
    ("expression", "before", "after"),
    [
        ("custom_attributes.outcome", {"outcome": "won", "other": 1}, {"other": 1}),
        ('custom_attributes."outcome"', {"outcome": "won", "other": 1}, {"other": 1}),
        ("custom_attributes.outcome", {"outcome": "won"}, None),
        ("custom_attributes.outcome", {}, None),
        ("custom_attributes.outcome", {"other": 1}, {"other": 1}),
        ("custom_attributes.outcome", None, None),
        ("custom_attributes.outcome.label", {"outcome": {"label": "a", "id": 1}, "b": 2},
         {"outcome": {"id": 1}, "b": 2}),
        ("custom_attributes", {"outcome": "won"}, None),
        ("custom_attributes.outcome || 'none'", {"outcome": "won"}, {"outcome": "won"}),
        ("other.outcome", {"outcome": "won"}, {"outcome": "won"}),
    ],
)  # fmt: skip
def test_what_a_plain_chain_reads_is_taken_out_of_the_attribute(
    expression: str, before: Any, after: Any
) -> None:
    mapping = compile_mapping({"attributes.mapped": expression})
    path = "attributes.custom_attributes"
    observation, _ = apply(mapping, seen({"custom_attributes": before}, **{path: before}))
    assert observation.fields[path] == after


def test_what_is_read_of_the_contact_is_taken_out_of_the_contacts_attribute() -> None:
    mapping = compile_mapping({"disposition": "meta.sender.custom_attributes.plan"})
    raw = {"meta": {"sender": {"custom_attributes": {"plan": "gold", "a": 1}}}}
    row = seen(raw, **{"attributes.contact_custom_attributes": {"plan": "gold", "a": 1}})
    observation, _ = apply(mapping, row)
    assert observation.fields["disposition"] == Disposition(label="gold")
    assert observation.fields["attributes.contact_custom_attributes"] == {"a": 1}


def test_an_attribute_may_be_replaced_by_what_it_holds() -> None:
    path = "attributes.custom_attributes"
    mapping = compile_mapping({path: "custom_attributes.outcome"})
    raw = {"custom_attributes": {"outcome": "won"}}
    observation, _ = apply(mapping, seen(raw, **{path: raw["custom_attributes"]}))
    assert observation.fields[path] == "won"


@pytest.mark.parametrize(
    ("target", "expression", "found", "suggestion"),
    [
        ("dispositon", "a", "cannot be mapped", "disposition"),
        ("name", "a", "cannot be mapped", "contact.name"),
        ("contact.nmae", "a", "cannot be mapped", "contact.name"),
        ("id", "a", "cannot be mapped", "contact.id"),
        ("last_message", "a", "cannot be mapped", None),
        ("attributes", "a", "attributes.<name>", None),
        ("attributes.a.b", "a", "attributes.<name>", None),
        ("status", "", "cannot be empty", None),
        ("status", "a.", "not a JMESPath expression", None),
        ("status", "custom_attributes.lead-state", 'in quotes, as in a."b-c"', None),
        ("status", "lenth(a)", "unknown function lenth()", "length"),
        ("status", "a || [lenth(a)]", "unknown function lenth()", "length"),
        ("status", "length()", "Expected 1 argument", None),
        ("status", "a" * 5000, "longer than 4096", None),
        ("status", "!" * 4000 + "a", "nested too deeply", None),
    ],
)
def test_a_wrong_line_is_refused(
    target: str, expression: str, found: str, suggestion: str | None
) -> None:
    with pytest.raises(MappingError) as caught:
        compile_mapping({target: expression})
    assert found in caught.value.message
    assert "\n" not in caught.value.message
    assert (caught.value.field, caught.value.suggestion) == (target, suggestion)


def test_all_wrong_lines_are_told_at_once() -> None:
    with pytest.raises(MappingError) as caught:
        compile_mapping({"status": "a.", "priority": "a", "nothing": "a"})
    assert [caught.value.field, *(other.field for other in caught.value.others)] == [
        "nothing", "status",
    ]  # fmt: skip


def test_functions_and_every_target_are_accepted() -> None:
    mapping = compile_mapping({"labels": "sort(tags[].name)", "attributes.a_1": "max([a, b])"})
    assert targets(mapping) == {"labels", "attributes.a_1"}
    assert targets(None) == frozenset()


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({}, {}, set()),
        ({"status": "a | b"}, {"status": "a | b"}, set()),
        ({"status": "a | b"}, {"status": "a | c"}, {"status"}),
        ({"status": "a || b", "priority": "p[0]"}, {"status": "a || b"}, {"priority"}),
        ({}, {"disposition": "custom_attributes.outcome"},
         {"disposition", "attributes.custom_attributes"}),
        ({"disposition": "custom_attributes.outcome"}, {},
         {"disposition", "attributes.custom_attributes"}),
        ({"disposition": "meta.sender.x.y"}, {}, {"disposition", "attributes.contact_x"}),
    ],
)  # fmt: skip
def test_two_mappings_differ_in_the_paths_that_they_read_differently(
    before: dict[str, str], after: dict[str, str], paths: set[str]
) -> None:
    written = fingerprint(compile_mapping(before))
    assert differing(written, compile_mapping(after)) == paths


def test_no_mapping_is_written_down_as_nothing() -> None:
    mapping = compile_mapping({"status": "a | b"})
    assert fingerprint(None) == ""
    assert differing("", mapping) == {"status"}
    assert differing(fingerprint(mapping), None) == {"status"}
    assert differing("", None) == frozenset()


def test_a_fingerprint_of_another_version_counts_as_different() -> None:
    mapping = compile_mapping({"status": "a | b"})
    assert differing("not JSON", mapping) == {"status"}
    assert differing('{"status": "a.", "nothing": "b"}', mapping) == {
        "status",
        "nothing",
        "attributes.b",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "name", "label", "changed_at", "x"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)
ALL = compile_mapping(
    {
        "disposition": "x", "assignee": "x", "labels": "x", "unread": "x", "archived": "x",
        "status": "x.name", "priority": "length(x)", "contact.name": "sort_by(x, &name)[0]",
        "attributes.any": "x", "team": "join(',', x)",
    }
)  # fmt: skip


@given(JSON)
def test_no_row_stops_a_page_and_the_types_are_the_models(value: Any) -> None:
    row = seen({"x": value}, **{"attributes.x": value})
    observation, problems = apply(ALL, row)
    fields = observation.fields
    assert isinstance(fields.get("disposition"), Disposition | None)
    assert isinstance(fields.get("assignee"), Reference | None)
    assert isinstance(fields.get("labels", ()), tuple)
    assert isinstance(fields.get("unread", False), bool)
    assert isinstance(fields.get("status"), str | None)
    assert len(problems) == len(set(problems))
    assert apply(ALL, row) == (observation, problems) or value != value or "nan" in repr(value)


@pytest.mark.filterwarnings("ignore:deprecated string literal")  # jmespath reads it all the same
@given(st.text(alphabet="ab.[]{}|&!'\"`()@*,:-0 é", max_size=20))
def test_compiling_raises_nothing_but_mapping_errors(expression: str) -> None:
    try:
        mapping = compile_mapping({"status": expression})
    except MappingError:
        return
    apply(mapping, seen({"a": {"b": [1]}}))
    assert differing(fingerprint(mapping), mapping) == frozenset()
