"""What plug-ins may import is pinned: a name that goes or comes is a decision."""

from __future__ import annotations

import inspect
from types import ModuleType

import pytest

from watcher import providers, simulator, testing
from watcher.providers import Provider, answers, rows

EXPORTED: dict[ModuleType, str] = {
    providers: """
        Budget Check Coverage IdSet LookUp Members Motion Page Parts Poll Position Provider ProviderSettings
        Quota Request Response Sweep TORN VERSION
    """,
    answers: """
        MOST_ROWS check_size describe foreign_refusal is_foreign json_body judge said
    """,
    rows: """
        ReadRows Row Shown UNSHOWN Unreadable epoch_seconds flag identifier iso_time json_object known
        missing nowhere_readable read_rows shown text texts whole_number
    """,
    testing: "BrokenLaw ProviderSuite ReceiverSuite SeenRequest real_network watch_purity",
    simulator: """
        Account Agent Contact Conversation Dated Disposition Fault Faults Impossible Inbox Message
        Script Seen State Team Truth TruthEntry Viewer World by_host canonical chatwoot faults
        leadconnector leadping lively
    """,
}

COMPULSORY = {"account", "parse", "request", "start"}
OPTIONAL = {
    "about", "authorization", "budget", "cost", "coverage", "limits", "quota", "set_capabilities", "sets",
    "skip", "torn", "unread_cap", "words",
}  # fmt: skip


@pytest.mark.parametrize("module", EXPORTED, ids=lambda module: module.__name__)
def test_these_names_are_exported(module: ModuleType) -> None:
    assert sorted(module.__all__) == sorted(EXPORTED[module].split())
    assert all(hasattr(module, name) for name in module.__all__)


def test_these_are_a_providers_members() -> None:
    members = {name for name in vars(Provider) if not name.startswith("_")}
    assert set(Provider.__abstractmethods__) == COMPULSORY
    assert members == COMPULSORY | OPTIONAL
    assert set(inspect.signature(Provider).parameters) == {"settings", "raw"}


def laws(suite: type[object]) -> set[str]:
    return {name.removeprefix("test_") for name in dir(suite) if name.startswith("test_")}


def test_the_suites_laws_keep_their_names() -> None:
    assert laws(testing.ReceiverSuite) == {
        "a_message_arrives_whole_in_one_request",
        "a_repeat_is_known_as_one",
        "an_attempt_can_be_cancelled",
        "every_status_has_its_outcome",
        "no_answer_is_no_success",
        "odd_texts_are_sent_as_they_are",
        "results_hold_no_secret",
        "retry_after_reaches_the_result",
    }
    assert laws(testing.ProviderSuite) == {
        "a_list_that_repeats_itself_ends",
        "a_look_up_finds_what_is_there_and_nothing_else",
        "a_poll_shows_what_is_newer",
        "a_request_depends_on_its_position_alone",
        "a_torn_row_shows_less_only_of_parts_that_are_named",
        "a_server_is_left_alone_for_as_long_as_it_asks",
        "a_version_is_told_or_not",
        "an_absent_key_is_not_a_value",
        "an_account_is_known_without_its_token",
        "an_answer_without_the_promised_shape_is_refused",
        "an_odd_row_costs_itself_alone",
        "an_odd_value_costs_itself_alone",
        "capabilities_survive_the_store",
        "costs_are_whole_requests",
        "every_row_is_shown_wherever_pages_are_cut",
        "every_status_has_its_error",
        "id_sets_can_be_walked",
        "messages_are_for_people_and_hold_no_secret",
        "no_clock_of_ours_decides",
        "nothing_but_computing_happens",
        "numbers_follow_the_order_of_creation",
        "raw_rows_are_carried_when_asked_for",
        "the_same_answer_gives_the_same_page",
    }
