"""What a rule costs for one event does not grow with what other rules ask: counted calls, no clock."""

from __future__ import annotations

from collections.abc import Callable

from tests.bench.rules import asking, made, made_events
from tests.bench.test_loading import calls
from watcher.rules import Rule, judge


def of_judging(rules: tuple[Rule, ...]) -> float:
    """Return the calls for each rule and event, once all types were seen."""
    events = made_events(8)
    for event in events:
        judge(event, rules)
    return calls(lambda: [judge(event, rules) for event in events]) / len(rules) / len(events)


def of(kind: Callable[[int], dict[str, object]]) -> float:
    return of_judging(made(kind, 200))


def test_a_rule_that_asks_for_another_type_costs_a_look() -> None:
    assert of(lambda _: {"when": "source.failing", "where": 'reason == "x"'}) < 4


def test_a_condition_that_many_rules_have_is_evaluated_and_explained_once() -> None:
    condition = 'conversation.channel == "sms" && size(conversation.labels) > 7'
    same = of(lambda _: {"when": "conversation.*", "where": condition})
    assert same < of(asking) / 2


def test_what_rules_say_is_what_each_says_alone() -> None:
    condition = 'conversation.channel == "sms"'
    rules = made(
        lambda n: {"when": "conversation.*" if n % 2 else "source.*", "where": condition}, 6
    )
    for event in made_events(4):
        together, _ = judge(event, rules)
        assert together == [judge(event, (rule,))[0][0] for rule in rules]
