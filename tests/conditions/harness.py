"""Expressions that compile, for laws about all of them."""

from __future__ import annotations

from hypothesis import strategies as st

__all__ = ["expressions"]

LEAVES = st.sampled_from(
    [
        "conversation.unread",
        "conversation.archived",
        'conversation.channel == "sms"',
        "conversation.unread_count > 1",
        'conversation.team.id == "t1"',
        'conversation.assignee.name.startsWith("A")',
        'conversation.labels.exists(l, l == "vip" && !(l == "new"))',
        "(conversation.archived ? conversation.unread : conversation.attributes.open)",
        "conversation.attributes.open",
        "-1 < conversation.unread_count - 1",
        '"changes || assignee".contains("(")',
        "!conversation.unread == conversation.archived",
        "conditions.vip",
        "conditions.waiting",
        "conditions.odd == conditions.vip",
        "true",
    ]
)


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||", " && ", "\n|| "]), inner).map("".join),
        inner.map(lambda one: f"!({one})"),
        inner.map(lambda one: f"( {one} ) "),
        inner.map(lambda one: f"({one}) == true"),
        st.tuples(inner, inner, inner).map(lambda three: "({} ? {} : {})".format(*three)),
    )


def expressions() -> st.SearchStrategy[str]:
    """Draw conditions that compile."""
    return st.recursive(LEAVES, _joined, max_leaves=8)
