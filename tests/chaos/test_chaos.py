"""A short chaos run on every `make test`; `make chaos` runs long ones."""

import time
from pathlib import Path

import pytest
from tests.chaos import run


@pytest.mark.timeout(300)
async def test_half_a_minute_of_faults_breaks_no_promise(tmp_path: Path) -> None:
    seed = int(time.time()) % 1_000_000
    history, violations = await run.go(run.What(seed, 30), tmp_path)
    assert not violations, run.report(history, violations, seed, history.now()) + f"\nhistory: {tmp_path}"
