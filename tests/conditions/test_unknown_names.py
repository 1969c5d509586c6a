"""Names in a silence's `match` that nothing has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.conditions import ExpressionError, compile_condition, unknown_names

KNOWN = {"source": ["sales", ""], "rule": ["Unread"], "receiver": ["crm"]}


@pytest.mark.parametrize(
    ("match", "found"),
    [
        ('source == "sales" && rule == "Unread" && receiver == "crm"', []),
        ('source == ""', []),
        ('source == "slaes"', ["slaes"]),
        ('source=="slaes"', ["slaes"]),
        ('"slaes" != source', ["slaes"]),
        ('!(rule == "Read" || receiver == "cmr")', ["Read", "cmr"]),
        ('source in ["sales", "x"] ? receiver == "y" : rule == r"z"', ["x", "y", "z"]),
        ("receiver == 'it is not'", ["it is not"]),
        ('source == """long"""', ["long"]),
        ('conversation.unread && [source == "a", true][0]', ["a"]),
        # What it compares with is no name, or cannot be known.
        ('source.startsWith("x") || rule.matches("x")', []),
        ('source == "a" + "b" || "a" + "b" == source', []),
        ('conversation.attributes.source == "x"', []),
        ('conversation.id == "source" && severity == "rule"', []),
        ('source in [conversation.attributes["x"]]', []),
        # What stands around the comparison changes nothing.
        ('(source) == ("x")', ["x"]),
        ('source in ["x", conversation.attributes.a, "y"]', ["x", "y"]),
        ('conversation.labels.exists(source, source == "x")', []),
        ('[true].exists(one, source == "x" && one)', ["x"]),
        (r'source == "\x61"', []),
        ("source == receiver", []),
        ("true", []),
    ],
)
def test_only_what_is_compared_with_a_name_is_a_name(match: str, found: list[str]) -> None:
    unknown = unknown_names(compile_condition(match, silence=True).tree, KNOWN)
    assert [one.name for one in unknown] == found
    assert all(one.name in match[one.offset :] for one in unknown)


PIECES = st.sampled_from(
    ["source", "rule", "==", "!=", "in", "[", "]", "(", ")", '"x"', '"sales"', "&&", "!", ",", "."]
)


@given(st.lists(PIECES, max_size=9).map(" ".join))
def test_whatever_compiles_can_be_asked(match: str) -> None:
    try:
        condition = compile_condition(match, silence=True)
    except ExpressionError:
        return
    assert {one.kind for one in unknown_names(condition.tree, KNOWN)} <= {"source", "rule"}
