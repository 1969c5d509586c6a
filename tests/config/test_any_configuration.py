"""Whatever is in the file, loading gives a configuration or a ConfigError."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.harness import read
from watcher.errors import ConfigError

WORDS = st.sampled_from(
    [*"{}[]:,-|>&*!'\"#$ \n\t", "sources", "rules", "receivers", "server", "store", "retention",
     "provider", "plain", "token", "${TOKEN}", "${", "name", "when", "where", "notify", "message",
     "title", "{{", "}}", "type", "webhook", "apprise", "url", "false", "30s", "12", "a", "b", "- ",
     ": ", "\n  ", "conversation.unread", "hold", "silences", "conditions", "templates",
     "timezone", "digest", "hours", "between", "fields", "\x00", "\ud83d", "ü"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=40).map("".join))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_configuration_or_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text, errors="surrogatepass")
    with suppress(ConfigError):
        read(path)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["provider", "token", "base_url", "account_id", "poll_every", "sweep_every", "fields", "people",
        "hold", "login", "teams", "mode", "either", "type", "url", "urls", "secret", "headers", "timeout",
        "retry", "ordering", "limit", "name", "when", "where", "for", "notify", "message",
        "title", "unless", "repeat", "at_most", "throttle", "digest", "hours", "stop", "severity",
        "within", "by", "every", "at", "days", "between", "windows", "timezone", "otherwise",
        "template", "body", "per_receiver", "match", "reason", "from", "until"]  # fmt: skip
WORD = st.sampled_from(
    ["desk", "plain", "mute", "webhook", "apprise", "5s", "15m", "09:00", "09:00-18:00", "mon-fri",
     "UTC", "a", "b", "conversation.unread", "*", "true", "conditions.a", "source", "2026-12-24"]
)  # fmt: skip
PART = st.dictionaries(
    st.sampled_from(KEYS),
    PLAIN
    | WORD
    | st.lists(WORD, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS), PLAIN | WORD, max_size=4),
)
WHOLE = st.fixed_dictionaries(
    {},
    optional={
        "store": PLAIN,
        "server": PLAIN | st.dictionaries(st.sampled_from(["listen", "probes", "hosts"]), PLAIN),
        "retention": PLAIN | st.dictionaries(st.sampled_from(["events", "deliveries"]), PLAIN),
        "sources": PLAIN | st.dictionaries(st.sampled_from(["a", "b", "C"]), PART | PLAIN),
        "receivers": PLAIN | st.dictionaries(st.sampled_from(["a", "b", "C"]), PART | PLAIN),
        "rules": PLAIN | st.lists(PART | PLAIN, max_size=3),
        "silences": PLAIN | st.lists(PART | PLAIN, max_size=3),
        "templates": PLAIN | st.dictionaries(st.sampled_from(["a", "b", "C"]), PART | PLAIN),
        "conditions": PLAIN | st.dictionaries(st.sampled_from(["a", "b", "C"]), WORD | PLAIN),
        "timezone": PLAIN | WORD,
    },
)


@given(WHOLE)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_tree_is_a_configuration_or_a_config_error(tmp_path: Path, tree: Any) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(tree))  # JSON is YAML 1.2
    with suppress(ConfigError):
        read(path)
