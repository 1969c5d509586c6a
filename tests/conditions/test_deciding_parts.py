"""Laws and tables of reasons: which part of a condition decided, and with which values."""

from __future__ import annotations

import dataclasses
import sys

import cel
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.conditions.harness import expressions
from tests.support.make import MARIA, conversation_event
from watcher.conditions import (
    Condition,
    EvaluationError,
    ExpressionError,
    compile_condition,
    compile_conditions,
    context,
)
from watcher.vocabulary import SAMPLES

NAMED, _ = compile_conditions(
    {
        "vip": '"vip" in conversation.labels',
        "waiting": "conversation.unread && !conditions.vip // still to be seen",
        "odd": "conversation.team.id == 't'",
    }
)


def _asked(condition: Condition, known: cel.Context) -> object:
    try:
        return cel.compile(condition.whole).execute(known)
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):
        return "failed"


@example(source="conversation.archived && conversation.unread ? true : true", number=4)
@example(source="!conversation.unread in [true, false]", number=4)
@settings(max_examples=200)
@given(source=expressions(), number=st.integers(0, len(SAMPLES)))
def test_the_parts_together_give_what_the_whole_gives(source: str, number: int) -> None:
    condition = compile_condition(source, NAMED)
    known = context([*SAMPLES, conversation_event()][number])
    whole = _asked(condition, known.values)
    try:
        answer = condition.explain(known)
    except EvaluationError:
        assert not isinstance(whole, bool)
    else:
        assert answer.holds is whole
        assert answer.because
        assert condition.holds(known) is whole


@pytest.mark.parametrize(
    ("source", "holds", "because"),
    [
        ("conversation.archived", False, "`conversation.archived` is false"),
        (
            'conversation.channel == "email" && conversation.unread',
            False,
            '`conversation.channel == "email"` is false (conversation.channel = "sms")',
        ),
        (
            'conversation.unread && (conversation.archived || "new" in conversation.labels)',
            False,
            '`conversation.archived` is false; `"new" in conversation.labels` is false'
            ' (conversation.labels = ["vip"])',
        ),
        ("!conversation.unread", False, "`conversation.unread` is true"),
        (
            'conversation.team.id == "t" || conversation.assignee != null',
            True,
            "`conversation.assignee != null` is true"
            ' (conversation.assignee = {"id": "u1", "name": "Ana"})',
        ),
        (
            "conditions.waiting",
            False,
            'conditions.waiting: conditions.vip: `"vip" in conversation.labels` is true'
            ' (conversation.labels = ["vip"])',
        ),
        (
            'conversation.last_message.text.startsWith("Is") && !conversation.archived',
            True,
            '`conversation.last_message.text.startsWith("Is")` is true'
            ' (conversation.last_message.text = "Is it still for sale?");'
            " `conversation.archived` is false",
        ),
        # Neither a function nor a macro's variable is the event's value of that name.
        ("type(conversation.unread) == bool", True,
         "`type(conversation.unread) == bool` is true (conversation.unread = true)"),
        ('conversation.labels.exists(source, source == "vip")', True,
         '`conversation.labels.exists(source, source == "vip")` is true'
         ' (conversation.labels = ["vip"])'),
    ],
)  # fmt: skip
def test_the_smallest_part_that_decided_is_named_with_what_it_saw(
    source: str, holds: bool, because: str
) -> None:
    answer = compile_condition(source, NAMED).explain(context(conversation_event()))
    assert (answer.holds, answer.because) == (holds, because)


def test_reasons_are_of_bounded_length_and_can_be_stored() -> None:
    message = dataclasses.replace(MARIA, channel="\ud83d" + "x" * 100_000)
    source = " || ".join(['conversation.channel == "sms"'] + ["conversation.archived"] * 30)
    answer = compile_condition(source).explain(context(conversation_event(conversation=message)))
    assert len(answer.because) < 1_000
    assert answer.because.endswith("and 28 more")
    answer.because.encode()


def test_a_part_that_conditions_share_is_asked_once() -> None:
    known = context(conversation_event())
    first = compile_condition("conversation.unread && conversation.archived")
    second = compile_condition("conversation.archived || conversation.unread")
    assert (first.holds(known), second.holds(known)) == (False, True)
    assert sorted(known.asked) == ["conversation.archived", "conversation.unread"]


def test_conditions_that_name_each_other_in_a_circle_are_refused() -> None:
    done, wrong = compile_conditions(
        {
            "a": "conversation.unread && conditions.b",
            "b": "conditions.c",
            "c": "conditions.a || conditions.a",
            "d": "conditions.d",
            "e": "conditions.a",
        }
    )
    assert set(done) == set("abcde")
    assert {name: error.message for name, error in wrong.items()} == {
        "c": "conditions name each other in a circle: a → b → c → a",
        "d": "conditions name each other in a circle: d → d",
    }
    assert wrong["c"].offset == len("conditions.")


def test_named_conditions_do_not_grow_without_bound() -> None:
    sources = {"n0": "conversation.unread"}
    for number in range(1, 40):
        sources[f"n{number}"] = f"conditions.n{number - 1} == conditions.n{number - 1}"
    _, wrong = compile_conditions(sources)
    assert wrong
    assert all("with the conditions" in error.message for error in wrong.values())


def test_what_is_too_deep_only_with_a_named_condition_is_found_at_its_name() -> None:
    named, _ = compile_conditions(
        {"inner": "conversation.labels.exists(a, conversation.labels.exists(b, a == b))"}
    )
    source = "nothing || conversation.labels.all(c, c != '' && conditions.inner)"
    with pytest.raises(ExpressionError) as caught:
        compile_condition(source, named)
    assert caught.value.message.startswith("unknown name 'nothing'")
    (deep,) = caught.value.others
    assert source[deep.offset :].startswith("conditions.inner")
    assert "with the conditions that it names: .exists() is nested" in deep.message


def test_a_variable_hides_a_name_only_from_conditions_within_its_macro() -> None:
    source = "conditions.vip && conversation.labels.exists(source, source == 'vip')"
    assert compile_condition(source, NAMED).holds(context(conversation_event()))


@pytest.mark.parametrize(
    ("source", "message", "suggestion"),
    [
        (
            "conditions.vpi",
            "conditions has no field 'vpi'; it has vip, waiting, odd",
            "conditions.vip",
        ),
        ("vip && conversation.unread", "unknown name 'vip'", "conditions.vip"),
        ('"vip" in conditions', "`conditions` needs a name", None),
        ("conditions.map(x, x).size() > 0", "`conditions` needs a name", None),
        ("conversation.labels.exists(conditions, true)", "`conditions` needs a name", None),
        ("conditions.vip > 3", "this compares true or false with a number", None),
        ("has(conditions.vip)", "has() asks whether a field exists", None),
        (
            "conversation.labels.exists(source, conditions.vip)",
            "a variable around `conditions.NAME` cannot be called 'source'",
            None,
        ),
    ],
)
def test_a_condition_that_is_not_there_is_refused(
    source: str, message: str, suggestion: str | None
) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_condition(source, NAMED)
    assert caught.value.message.startswith(message)
    assert caught.value.suggestion == suggestion


def test_depth_is_bounded_and_never_an_error_of_ours() -> None:
    even, odd = ("!" * count + "conversation.unread" for count in (3000, 3001))
    assert compile_condition(even).holds(context(conversation_event())) is True
    assert compile_condition(odd).holds(context(conversation_event())) is False
    links = sys.getrecursionlimit() + 200
    chain = {f"n{number}": f"conditions.n{number + 1}" for number in range(links)}
    _, wrong = compile_conditions({**chain, f"n{links}": "true"})
    assert any("more than 50 deep" in error.message for error in wrong.values())
