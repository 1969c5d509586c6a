"""Each source takes the same work to load: counted calls, no clock (`python -m tests.bench.loading`)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.loading import read, write
from watcher.secrets import Redactor

FEW, MANY = 100, 400


def calls(work: Callable[[], Any]) -> int:
    """Return how many functions some work calls, those of the interpreter included."""
    count = 0

    def saw(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(saw)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def of_loading(folder: Path, sources: int) -> int:
    folder.mkdir()
    environ = write(folder, sources)

    def load() -> None:
        config = read(folder, environ)
        assert len(config.sources) == sources
        # What is known is prepared when it is first looked for.
        assert config.redactor.scrub(f"x {environ['T7']}") == "x ***"

    return calls(load)


def test_four_times_the_sources_take_four_times_the_work(tmp_path: Path) -> None:
    of_loading(tmp_path / "warm", 8)
    few, many = of_loading(tmp_path / "few", FEW), of_loading(tmp_path / "many", MANY)
    assert many / few < MANY / FEW * 1.05


def test_a_line_is_scrubbed_alike_however_many_secrets_begin_as_its_words_do() -> None:
    line = "pit-stop: pit-3f0c pit-3f0c0000 refused by pit-3f0c00000007-9b1e-4a57 of the pit" * 4

    def of_scrubbing(secrets: int) -> int:
        redactor = Redactor()
        for number in range(secrets):
            redactor.add(f"pit-3f0c{number:08}-9b1e-4a57")
        assert redactor.scrub("pit-3f0c00000007-9b1e-4a57") == "***"
        return calls(lambda: redactor.scrub(line))

    assert of_scrubbing(1000) <= of_scrubbing(10) * 1.1
