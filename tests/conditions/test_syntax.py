"""Laws of the syntax tree: places, depth, and what is written back."""

from __future__ import annotations

import pytest
from hypothesis import given

from tests.conditions.harness import expressions
from watcher.conditions import ExpressionError
from watcher.conditions.syntax import DEEPEST, Chain, Node, Operation, children, parse, walk, write

NAMED = {
    "vip": parse("conversation.unread // a comment"),
    "waiting": parse("conversation.unread && conditions.vip"),
    "odd": parse('conversation.team.id == "t"'),
}


@given(expressions())
def test_each_node_lies_within_its_parent_after_its_siblings(source: str) -> None:
    tree = parse(source)
    for node, _ in walk(tree.root):
        at = node.start
        for child in children(node):
            assert at <= child.start < child.end <= node.end
            at = child.end


@given(expressions())
def test_a_node_is_found_again_where_it_was_written(source: str) -> None:
    tree = parse(source)
    operands = [node for node, _ in walk(tree.root) if isinstance(node, Chain | Operation)]
    for node in operands:
        assert write(parse(tree.text(node)).root, NAMED) == write(node, NAMED)


@given(expressions())
def test_what_is_written_back_means_the_same(source: str) -> None:
    plain = write(parse(source).root, NAMED)
    again = parse(plain)
    assert write(again.root, {}) == plain
    assert again.references == ()
    assert "//" not in plain


def depth(node: Node) -> int:
    return 1 + max(map(depth, children(node)), default=0)


@pytest.mark.parametrize(
    "source",
    [
        " + ".join(["1"] * 1300),
        " && ".join(["a"] * 800),
        "a" + ".b" * 1300,
        "a" + "[0]" * 1300,
        "!" * 3000 + "a",
    ],
)
def test_a_run_of_operators_or_fields_makes_no_tree_deeper(source: str) -> None:
    assert depth(parse(source).root) <= 4


@pytest.mark.parametrize("around", ["({})", "[{}]", "f({})", "a[{}]", "(a ? b : {})"])
def test_only_brackets_and_choices_make_it_deeper(around: str) -> None:
    source = "a"
    for _ in range(DEEPEST // 2 - 1):
        source = around.format(source)
    parse(source)
    for _ in range(DEEPEST):
        source = around.format(source)
    with pytest.raises(ExpressionError, match="nested more than 50 deep"):
        parse(source)


@pytest.mark.parametrize(
    "source", ["conditions.vip", "(conditions.waiting)", "x || conditions.odd"]
)
def test_a_reference_is_replaced_by_the_tree_it_stands_for(source: str) -> None:
    tree = parse(source)
    (reference,) = tree.references
    assert source[reference.at :].startswith(reference.name)
    inner = write(NAMED[reference.name].root, NAMED)
    assert f"({inner})" in write(tree.root, NAMED)
