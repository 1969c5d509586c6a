"""A secret's file that is none, or that hangs, holds nothing up for long."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from watcher.secrets import Redactor, files, parse_text
from watcher.secrets.files import Mark


def test_a_pipe_that_nobody_writes_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "token")
    began = time.monotonic()
    _, (missing,) = parse_text("${file:token}", environ={}, folder=tmp_path, redactor=Redactor())
    assert "it is not a regular file" in missing.message
    assert time.monotonic() - began < 4


def test_while_a_mount_hangs_the_last_value_stands_and_other_files_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("hangs", "works"):
        (tmp_path / name).write_text(f"{name}-first")
    hanging, working = (
        parse_text(f"${{file:{name}}}", environ={}, folder=tmp_path, redactor=Redactor())[0]
        for name in ("hangs", "works")
    )
    assert hanging.read() == "hangs-first"
    let_go = threading.Event()
    look = files.look

    def hangs(path: Path, known: Mark | None) -> tuple[Mark, bytes | None]:
        if path.name == "hangs":
            let_go.wait(30)
        return look(path, known)

    monkeypatch.setattr(files, "look", hangs)
    for name in ("hangs", "works"):
        (tmp_path / name).write_text(f"{name}-second!")
    assert hanging.read() == "hangs-first"
    began = time.monotonic()
    assert [hanging.read() for _ in range(1000)] == ["hangs-first"] * 1000
    assert time.monotonic() - began < 2, "what hangs is not waited for twice"
    assert working.read() == "works-second!"
    let_go.set()
    deadline = time.monotonic() + 10
    while hanging.read() != "hangs-second!":
        assert time.monotonic() < deadline
