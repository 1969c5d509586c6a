"""What a condition would take is reckoned before it runs: what exceeds its budget is false, and shown."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.make import MARIA, conversation_event
from watcher.catalogue.bounds import LONGEST_TEXT, MOST_PARTS
from watcher.conditions import (
    Context,
    EvaluationError,
    compile_condition,
    compile_conditions,
    compile_expression,
    context,
    exceeding,
)
from watcher.model import Message

TEXT = "conversation.last_message.text"
XS = "conversation.attributes.xs"
LABELS = "conversation.labels"
EXCEEDS = "may take more than 3,000,000 steps, the budget of a condition"


def seen(text: str = "Hello", xs: Any = (), labels: tuple[str, ...] = ()) -> Context:
    row = dataclasses.replace(
        MARIA, last_message=Message(text, "inbound"), attributes={"xs": xs}, labels=labels
    )
    return context(conversation_event(conversation=row))


MANY = list(range(MOST_PARTS))
LONG = "é" + "x" * (LONGEST_TEXT - 1)

ENDLESS = [
    f"{XS}.all(a, {XS}.all(b, b >= 0))",
    f"{XS}.map(a, {XS}.map(b, b)).size() > 0",
    f"{XS}.map(a, a).size() > 0",
    f"{XS}.filter(a, true).size() > 0",
    f"{XS}.map(a, {TEXT} + {TEXT}).size() > 0",
    f"{XS}.exists(a, size({XS} + {XS}) < 0)",
    f"{XS}.exists(a, {XS} == {XS} && false)",
    f"{XS}.exists(a, -1 in {XS})",
    f"{XS}.exists(a, {TEXT}.matches('y'))",
    f"{XS}.exists(a, string(a).matches('\\\\w+y'))",
    rf"{TEXT}.matches('(x?){{1000}}x{{1000}}\\by')",
    rf"{TEXT}.matches('((x?){{40}}){{40}}\\by')",
    f"{TEXT}.matches({TEXT})",
    f"[{XS}, {XS}].exists(a, a.exists(b, {XS} == a && false))",
]


@pytest.mark.parametrize("source", ENDLESS)
def test_a_condition_that_would_take_too_long_is_not_evaluated(source: str) -> None:
    condition = compile_condition(source)
    large = seen(LONG, MANY)
    start = time.process_time()
    with pytest.raises(EvaluationError) as failure:
        condition.holds(large)
    # It takes a thousandth of that; what is not stopped takes many times as much.
    assert time.process_time() - start < 0.5
    assert failure.value.message.endswith(EXCEEDS)
    assert exceeding(condition).endswith(EXCEEDS)


@pytest.mark.parametrize("source", ENDLESS)
def test_the_same_condition_is_evaluated_for_an_ordinary_event(source: str) -> None:
    assert compile_condition(source).holds(seen("xx", [1, 2], ("vip",))) in (True, False)


@pytest.mark.parametrize(
    "source",
    [
        f"{LABELS}.exists(l, l == 'vip')",
        f"{LABELS}.exists(l, l.startsWith('vip-') && l.size() > 5)",
        f"{LABELS}.exists(l, l.matches('^vip-[0-9]+$'))",
        f"{LABELS}.filter(l, l.startsWith('vip')).size() > 1",
        f"{LABELS}.all(l, l in ['a', 'b', 'c'])",
        f"{TEXT}.matches('(?i)urgent|asap|refund|cancel(led)?')",
        f"{TEXT}.contains('urgent') || {TEXT}.startsWith('STOP')",
        f"{XS}.exists(a, a == 'x')",
    ],
)
def test_what_people_write_is_within_the_budget_for_every_event(source: str) -> None:
    condition = compile_condition(source)
    assert exceeding(condition) == ""
    assert condition.holds(seen(LONG, MANY, ("vip-123456", *map(str, range(999))))) in (True, False)


def test_the_budget_is_that_of_the_whole_condition() -> None:
    parts = [f"{XS}.all(a, {number} != {number} + a * a + 1)" for number in range(40)]
    named, wrong = compile_conditions({"all": " && ".join(parts)})
    assert not wrong
    large = seen(xs=[0] * MOST_PARTS)
    for part in parts:
        assert compile_condition(part).holds(large)
    with pytest.raises(EvaluationError, match=EXCEEDS):
        named["all"].holds(large)
    with pytest.raises(EvaluationError, match=EXCEEDS):
        compile_condition("conditions.all", named).holds(large)


def test_another_part_may_decide_without_it() -> None:
    large = seen(xs=MANY)
    assert compile_condition(f"{ENDLESS[0]} || source != ''").holds(large)
    assert not compile_condition(f"{ENDLESS[0]} && source == ''").holds(large)


def test_what_groups_events_is_bounded_in_steps_and_in_size() -> None:
    by = compile_expression(f"{XS}.map(x, {TEXT})")
    assert by.key(seen("a", [1])) == '["a"]'
    with pytest.raises(EvaluationError, match=EXCEEDS):
        by.key(seen(LONG, MANY[:1000]))
    assert exceeding(by)
    assert not exceeding(compile_expression("conversation"))
    assert not exceeding(compile_expression(TEXT))


ATOMS = st.sampled_from((XS, LABELS, TEXT, "a", "1", "'x'", "[1, 2]", "conversation"))
TRUTHS = st.recursive(
    st.builds("{} == {}".format, ATOMS, ATOMS)
    | st.builds("{}.contains('x')".format, st.sampled_from((TEXT, "'ab'")))
    | st.builds("{}.matches('x{{1,40}}y')".format, st.sampled_from((TEXT, "'ab'")))
    | st.builds("size({}) > 2".format, st.sampled_from((XS, LABELS, TEXT))),
    lambda inner: (
        st.builds("{}.exists(a, {})".format, st.sampled_from((XS, LABELS, "[1, 2]")), inner)
        | st.builds("{}.filter(a, {}).size() > 1".format, st.sampled_from((XS, LABELS)), inner)
        | st.builds("{}.map(a, {}).size() > 1".format, st.sampled_from((XS, LABELS)), inner)
        | st.builds("({} && {})".format, inner, inner)
        | st.builds("({} || !({}))".format, inner, inner)
    ),
    max_leaves=5,
)


@settings(deadline=None, max_examples=40)
@given(TRUTHS, st.sampled_from((3, 400, MOST_PARTS)), st.sampled_from((3, LONGEST_TEXT)))
def test_any_condition_and_any_event_end(source: str, many: int, length: int) -> None:
    try:
        condition = compile_condition(source)
    except Exception:  # noqa: BLE001 - a condition that is wrong is none
        return
    large = seen(LONG[:length], MANY[:many], tuple(map(str, range(min(many, 999)))))
    start = time.process_time()
    with contextlib.suppress(EvaluationError):
        condition.holds(large)
    assert time.process_time() - start < 3
