"""Intervals that ask a provider for more requests than it allows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.small_providers import PROVIDERS
from watcher.config.load import load
from watcher.daemon.estimates import foreseeable_overloads

REST = (
    "receivers: {a: {type: apprise, url: 'json://x'}}\n"
    "rules: [{name: A, when: [conversation.unread, 'source.*'], notify: a}]\n"
)


def warned(folder: Path, sources: str) -> list[str]:
    file = folder / "config.yaml"
    file.write_text(f"sources:\n{sources}{REST}")
    config = load([file], environ={}, providers=PROVIDERS)
    assert config.warnings == ()
    return [str(one) for one in foreseeable_overloads(config)]


def test_polls_beyond_the_providers_limit_are_warned_of_at_their_interval(tmp_path: Path) -> None:
    # Three requests a poll, ten in ten seconds allowed; the provider does not say what walks cost.
    (said,) = warned(tmp_path, "  a: {provider: plain, token: x, poll_every: 1s}\n")
    assert ":2:46: the source `a`: polls alone ask for about 10,800 requests an hour" in said
    assert "but only 3,240 are available" in said
    assert "`poll_every: 5s` for `a` would fit" in said


def test_the_interval_of_the_remedy_is_within_the_limit(tmp_path: Path) -> None:
    assert warned(tmp_path, "  a: {provider: plain, token: x, poll_every: 5s}\n") == []


@pytest.mark.parametrize(("second", "warnings"), [("", 1), ("base_url: 'https://b.example', ", 0)])
def test_sources_that_share_a_limit_are_added_up(
    tmp_path: Path, second: str, warnings: int
) -> None:
    one = "{{provider: plain, token: x, {}poll_every: 8s}}"
    sources = "".join(
        f"  {name}: {one.format(second if name == 'b' else '')}\n" for name in ("a", "b", "c")
    )
    assert len(warned(tmp_path, sources)) == warnings
