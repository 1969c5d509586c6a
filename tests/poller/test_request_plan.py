"""Laws of what sources ask for: advice fits, and is only given where something does not."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.poller.request_plan import (
    RequestPlan,
    SharedBudget,
    advise_on_time,
    describe_plan,
    estimate,
    shared_budgets,
)
from watcher.providers import Budget
from watcher.providers.chatwoot import Chatwoot, ChatwootSettings
from watcher.providers.leadconnector import HighLevel, HighLevelSettings
from watcher.providers.leadping import Leadping, LeadpingSettings

BUDGET = Budget("key", 100, 10.0, daily=200_000)

plans = st.lists(
    st.builds(
        RequestPlan,
        source=st.sampled_from("abcdef"),
        budget=st.sampled_from([BUDGET, dataclasses.replace(BUDGET, daily=None)]),
        poll_every=st.floats(1, 600),
        sweep_every=st.floats(600, 86_400),
        conversations=st.integers(0, 10_000_000),
        poll=st.integers(1, 7),
        sweep=st.integers(1, 100_000),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda plan: plan.source,
)


def changed(plan: RequestPlan, key: str, seconds: float) -> RequestPlan:
    if key == "sweep_every":
        return dataclasses.replace(plan, sweep_every=seconds)
    sweep_every = max(seconds, plan.sweep_every)
    return dataclasses.replace(plan, poll_every=seconds, sweep_every=sweep_every)


@given(plans)
def test_what_is_advised_fits_and_nothing_is_advised_where_all_fits(
    asked: list[RequestPlan],
) -> None:
    (share,) = shared_budgets(asked)
    advice = share.advice
    assert (advice is None) == (share.polling <= share.for_polls and share.hourly <= share.for_all)
    if advice is None or advice.seconds is None:
        return
    assert advice.seconds > getattr(share.of(advice.source), advice.key)
    slower = [
        changed(one, advice.key, advice.seconds) if one.source == advice.source else one
        for one in share.plans
    ]
    then = SharedBudget(share.budget, tuple(slower)).advice
    assert then is None or (advice.key, then.key) == ("poll_every", "sweep_every")


@given(plans, st.floats(0, 60))
def test_answers_that_are_too_slow_are_advised_on(asked: list[RequestPlan], seconds: float) -> None:
    for plan in asked:
        advice = advise_on_time(plan, seconds)
        assert (advice is None) == (plan.hourly * seconds <= 3240 * (1 + 1e-9))
        if advice is not None and advice.seconds is not None:
            assert advise_on_time(changed(plan, advice.key, advice.seconds), seconds) is None


def test_the_day_counts_where_it_is_narrower_than_the_seconds() -> None:
    (share,) = shared_budgets([RequestPlan("a", BUDGET, 30, 900, 10, 1, 1)])
    assert share.allowed == pytest.approx(200_000 / 24)


def test_sources_share_what_their_provider_has_them_share() -> None:
    def leadping(name: str, organization: str) -> RequestPlan:
        settings = LeadpingSettings(token=f"token-{name}", organization=organization)
        return estimate(
            name, Leadping(settings), poll_every=30, sweep_every=900, conversations=5, sets={}
        )

    found = shared_budgets((leadping("a", "acme"), leadping("b", "acme"), leadping("c", "")))
    assert [[one.source for one in share.plans] for share in found] == [["a", "b"], ["c"]]


@pytest.mark.parametrize(
    ("provider", "rows", "requests"),
    [
        (Leadping(LeadpingSettings(token="t")), [0, 1, 100, 101, 10_000], [1, 1, 1, 2, 100]),
        (Leadping(LeadpingSettings(token="t", page_size=1000)), [0, 1000, 1001], [1, 1, 2]),
        (HighLevel(HighLevelSettings(token="t", location_id="l")),
         [0, 99, 100, 198, 199, 10_000], [1, 1, 2, 2, 3, 102]),
        (HighLevel(HighLevelSettings(token="t", location_id="l", page_size=1)), [0, 5], [1, 6]),
        (Chatwoot(ChatwootSettings(token="t", account_id=1)),
         [0, 24, 25, 26, 10_000], [1, 1, 2, 2, 401]),
    ],
)  # fmt: skip
def test_what_a_walk_costs(
    provider: Leadping | HighLevel | Chatwoot, rows: list[int], requests: list[int]
) -> None:
    assert [provider.cost(count) for count in rows] == requests


def test_what_a_provider_does_not_price_counts_as_one_request_and_is_not_shown() -> None:
    class Silent(Leadping):
        def cost(self, rows: int) -> int | None:
            return None

    silent = Silent(LeadpingSettings(token="t"))
    plan = estimate("a", silent, poll_every=30, sweep_every=900, conversations=500, sets={})
    assert (plan.poll, plan.sweep, plan.priced) == (1, 1, False)
    (share,) = shared_budgets([plan])
    assert describe_plan("a", share) is None
