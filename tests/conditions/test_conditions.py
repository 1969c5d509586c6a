"""Laws and tables of conditions: what holds, which mistakes are found and where."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.make import CONDITIONS, MARIA, T0, conversation_event
from watcher.conditions import EvaluationError, ExpressionError, compile_condition, context
from watcher.model import Event, to_plain


def holds(source: str, **more: Any) -> bool:
    return compile_condition(source).holds(context(conversation_event(**more)))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ('conversation.channel == "sms"', True),
        ('conversation.channel == "sms" && conversation.assignee == null', False),
        ('"vip" in conversation.labels', True),
        ('conversation.labels.exists(l, l.startsWith("v"))', True),
        ('conversation["contact"]["name"] == "Maria Lopez"', True),
        ('conversation.last_message.text.matches("(?i)FOR SALE")', True),
        ("has(changes.assignee)", False),
        ('"assignee" in changes', False),
        ('type == "conversation.unread" && source == "sales"', True),
        ('provider in ["leadway", "highlevel"]', True),
        ("reason == null", True),
        ("conversation.attributes.score > 5", True),
        ("has(conversation.attributes.nothing)", False),
        ('conversation.assignee != null ? conversation.assignee.id == "u1" : false', True),
        ("timestamp(conversation.last_message.at).getHours() == 10", True),
        (
            'timestamp("2026-11-20T10:00:00Z") - duration("1h") < timestamp("2026-11-20T09:30:00Z")',
            True,
        ),
        ("delay == 0", True),
        ("delay / 60 < 10", True),
        ("size(conversation.labels) + 1 == 2", True),
        ("[1, 2].map(x, x * 2).size() == 2 // a comment with conversation.nothing", True),
        ("!conversation.archived", True),
        ("-1 < conversation.labels.size()", True),
        ("type(conversation.unread) == bool", True),
        ('{"sms": true}[conversation.channel]', True),
    ],
)
def test_a_condition_says_what_holds(source: str, expected: bool) -> None:
    assert holds(source) is expected


def test_a_change_has_both_sides_in_the_shape_of_its_field() -> None:
    changes = {"assignee": {"before": {"id": "u1", "name": None}, "after": None}}
    assert holds('changes.assignee.before.id == "u1"', changes=changes)
    assert holds('changes["assignee"].after == null', changes=changes)


@pytest.mark.parametrize(
    ("source", "found", "suggestion"),
    [
        ("conversation.asignee == null", "asignee", "conversation.assignee"),
        ('conversation.contact.nmae == "x"', "nmae", "conversation.contact.name"),
        ("true || conversation.unraed", "unraed", "conversation.unread"),
        ("false && conversation.unraed", "unraed", "conversation.unread"),
        ("conversation.unread ? true : conversation.archvied", "archvied", "conversation.archived"),
        ("conversaton.unread", "conversaton", "conversation"),
        ("true || unread", "unread", "conversation.unread"),
        ("assignee.id == null", "assignee", "conversation.assignee"),
        ('conversation.name == "x"', "name", "conversation.contact.name"),
        ("conversation.labels.exists(l, conversation.unraed)", "unraed", "conversation.unread"),
        ("conversation.labels.exists(l, m == l)", "m ", None),
        ('conversation.labels.exists(l, l == "a") && l == "a"', 'l == "a"$', None),
        ('conversation["contct"]["name"] == "x"', '"contct"', "conversation.contact"),
        ('changes["asignee"].before == null', '"asignee"', "changes.assignee"),
        ("changes.assignee.befor == null", "befor", "changes.assignee.before"),
        ("changes.assignee.before.nme == null", "nme", "changes.assignee.before.name"),
        ("changes.url.before == null", "url", None),
        ("has(conversation.asignee)", "asignee", "conversation.assignee"),
        ('"asignee" in changes', '"asignee"', "changes.assignee"),
        ("observed.befor == null", "befor", "observed.before"),
        ('conversation.channel == "conversation.asignee" && reasn == ""', "reasn", "reason"),
        ("conversation.assignee == nul", "nul", "null"),
        ("conversation.assignee == None", "None", "null"),
        ("conversation.unread == True", "True", "true"),
        ('conversation.channel.startWith("s")', "startWith", "startsWith"),
        ('conversation.labels.exist(l, l == "x")', "exist(", "exists"),
        ('contains(conversation.channel, "s")', "contains", "value.contains(…)"),
        ("true || siz(conversation.labels) > 1", "siz", "size"),
        ("conversation.unread > 3", "> 3", None),
        ("true || conversation.unread > 3", "> 3", None),
        ('true || conversation.unread_count == "3"', '== "3"', None),
        ("true || 3 in conversation.labels", "3", None),
        ("true || conversation.channel.name == null", "name", None),
        ("true || conversation.channel[0] == null", "0", None),
        ("conversation.unread && conversation.labels", "conversation.labels",
         "conversation.labels.size() > 0"),
        ("conversation.unread && conversation.assignee", "conversation.assignee",
         "conversation.assignee != null"),
        ("!conversation.channel", "conversation.channel", "conversation.channel != null"),
        ('true || "s" in conversation.channel', '"s"', "conversation.channel.contains(…)"),
        ("true || conversation.created_at.getHours() > 3", "getHours",
         "timestamp(conversation.created_at)"),
        ('true || conversation.channel.matches("(")', '"("', None),
        ('true || conversation.channel + 1 == "x"', "+", None),
        ("true || conversation.channel.size(1) > 1", "size", None),
        ("true || size() > 1", "size", None),
        ("conversation.unread and true", "and", "&&"),
        ("conversation.unread or true", "or ", "||"),
        ("not conversation.unread", "conversation", "!"),
        ('conversation.channel = "sms"', "=", "=="),
        ('conversation.channel == "sms', '"sms', None),
        ("conversation.unread &&", "$", None),
        ("conversation.unread && @", "@", None),
        ("true ||\n  conversation.asignee == null", "asignee", "conversation.assignee"),
        ('"é😀" == "" || conversation.asignee == null', "asignee", "conversation.assignee"),
        ("[1].exists(a, [1].exists(b, [1].exists(c, true)))", "exists(c", None),
        ("timestamp(observed.before) - timestamp(observed.after) < 600", "< 600", None),
        ('true || timestamp(observed.before) - timestamp(observed.after) < "10m"', '< "10m"', None),
        ("true || timestamp(observed.before) + timestamp(observed.after) == null", "+", None),
        ('true || timestamp(observed.before) + duration("1m") > 3', "> 3", None),
        ("observed.before - observed.after < 600", "-", None),
        ("dleay < 600", "dleay", "delay"),
        ('delay < "10m"', '< "10m"', None),
    ],
)  # fmt: skip
def test_a_mistake_is_found_wherever_it_stands(
    source: str, found: str, suggestion: str | None
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(source)
    if found == "$":
        assert caught.value.offset == len(source)
    elif found.endswith("$"):
        assert source[caught.value.offset :] == found[:-1]
    else:
        assert source[caught.value.offset :].startswith(found)
    assert caught.value.suggestion == suggestion
    assert "\n" not in caught.value.message


def test_all_mistakes_of_one_condition_are_reported_at_once() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition("conversation.asignee == null || conversation.unread > 3 || nothing")
    first = caught.value
    offsets = [first.offset, *(other.offset for other in first.others)]
    assert offsets == [13, 52, 59]


def test_what_conditions_lack_of_cel_hides_no_other_mistake() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(".conversation.unread || Foo{a: 1} == null || conversation.asignee")
    first = caught.value
    offsets = [first.offset, *(other.offset for other in first.others)]
    assert offsets == [0, 24, 58]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "   ",
        "conversation.channel",
        "conversation.unread_count",
        "null",
        "conversation.assignee",
        "1 + 2.5 == 3.5",  # CEL does not convert between int and double
        "x" * 5000,
        "(" * 80 + "true" + ")" * 80,
        ".conversation.unread",
        "Foo{a: 1} == null",
        'int("x") == 1',
        "conversation.unread\ud800",
    ],
)
def test_what_can_never_be_a_condition_is_refused(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_condition(source)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("conversation.attributes.nothing == 1", "no field 'nothing'"),
        ('conversation.team.id == "t1"', "or is null"),
        ('conversation.disposition.label.contains("x")', "or is null"),
        ("conversation.unread_count > 1", "or is null"),
        ("conversation.attributes.score", "a number, not true or false"),
        ("conversation.labels[3] == null", "index out of bounds"),
        ('changes.assignee.before.id == "u1"', "no field 'assignee'"),
    ],
)
def test_what_an_event_lacks_is_an_evaluation_error(source: str, reason: str) -> None:
    condition = compile_condition(source)
    with pytest.raises(EvaluationError, match=reason):
        condition.holds(context(conversation_event()))


@pytest.mark.parametrize("value", ["\ud83d", 2**70, -(2**70), {"\ud83d": ["\ud83d"]}, float("nan")])
def test_no_value_of_a_provider_keeps_an_event_from_being_judged(value: Any) -> None:
    odd = dataclasses.replace(MARIA, attributes={"odd": value})
    plain = {**to_plain(MARIA), "attributes": dict(odd.attributes)}
    judged = context(Event("e", "conversation.unread", "s", "c", T0, {"conversation": plain}))
    assert compile_condition("conversation.unread").holds(judged)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    data=st.dictionaries(
        st.sampled_from(["conversation", "changes", "observed", "reason", "provider"]), JSON
    ),
    fields=st.dictionaries(st.sampled_from(sorted(to_plain(MARIA))), JSON),
    condition=st.sampled_from(CONDITIONS),
)
def test_holds_raises_nothing_but_evaluation_errors(
    data: dict[str, Any], fields: dict[str, Any], condition: Any
) -> None:
    sparse = Event("e", "conversation.unread", "s", None, T0, {"conversation": fields, **data})
    try:
        assert condition.holds(context(sparse)) in (True, False)
    except EvaluationError as failure:
        assert "\n" not in failure.message  # noqa: PT017 - a failure is allowed, not expected


@given(st.text(alphabet="conversati.()[]{}&|!?:=<>\"'\\/ lxrb0129,+-é", max_size=40))
def test_compiling_raises_nothing_but_expression_errors(source: str) -> None:
    try:
        compile_condition(source)
    except ExpressionError as error:
        assert 0 <= error.offset <= len(source)  # noqa: PT017 - an error is allowed, not expected


@pytest.mark.parametrize(
    ("source", "lasts"),
    [
        ('conversation.channel == "sms" && source == "sales"', True),
        ("provider == 'chatwoot'", True),
        ("has(changes.assignee)", False),
        ("conversation.unread && reason == null", False),
        ('type == "conversation.unread"', False),
        ("observed.before != null", False),
        ('conversation.labels.exists(changes, changes == "x")', True),
    ],
)
def test_a_condition_about_the_conversation_alone_can_be_asked_again(
    source: str, lasts: bool
) -> None:
    assert compile_condition(source).lasts is lasts
