"""What bounds a source's growth, and the free space of the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from watcher.config.load import load
from watcher.config.model import Config
from watcher.errors import ConfigError
from watcher.pipeline.disk import Reserve

GIB = 2**30


def read(folder: Path, *, top: str = "", source: str = "") -> Config:
    file = folder / "watcher.yaml"
    file.write_text(
        f"{top}\nsources:\n  sales: {{provider: chatwoot, account_id: 3, token: abcdefgh1234,"
        f" base_url: 'https://chat.example.com'{source}}}\n"
    )
    return load([file], environ={})


def test_the_bounds_of_a_source(tmp_path: Path) -> None:
    (usual,) = read(tmp_path).sources
    assert (usual.most_conversations, usual.most_bytes) == (1_000_000, 4 * GIB)
    (set_,) = read(tmp_path, source=", most_conversations: 500, most_bytes: 20GiB").sources
    assert (set_.most_conversations, set_.most_bytes) == (500, 20 * GIB)


@pytest.mark.parametrize(
    ("text", "reserve"),
    [
        ("", Reserve()),
        ("least_free: 10%", Reserve(share=0.1, most=None)),
        ("least_free: 2GiB", Reserve(size=2 * GIB)),
        ("least_free: 0", Reserve(size=0)),
        ('least_free: "0"', Reserve(size=0)),
    ],
)
def test_what_is_kept_free(tmp_path: Path, text: str, reserve: Reserve) -> None:
    assert read(tmp_path, top=text).least_free == reserve


@pytest.mark.parametrize("text", ["60%", "five", "-1%", "2", "true", "5 %%", "1.5GiB"])
def test_anything_else_is_no_reserve(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="neither a share") as raised:
        read(tmp_path, top=f"least_free: {text}")
    assert "5%" in str(raised.value)


@pytest.mark.parametrize("text", ["most_conversations: 0", "most_bytes: 5", "most_bytes: 10KiB"])
def test_a_source_has_a_bound(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        read(tmp_path, source=f", {text}")
