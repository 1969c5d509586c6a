"""A control socket whose path would be too long lies in a folder that nobody could have made before."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path

import pytest

from watcher.control import bind_control, remove_control


def test_a_long_path_falls_back_to_a_new_folder_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    short = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    listener, path = bind_control(tmp_path / ("long" * 30) / "w.db.sock")
    try:
        assert path.parent.parent == short
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        listener.close()
    remove_control(path)
    assert list(short.iterdir()) == []
    short.rmdir()
