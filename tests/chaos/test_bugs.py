"""The four cheapest of the known bugs, in one run: each is found by its own rule. `make chaos-mutants` tries all."""

import asyncio

import pytest
from tests.chaos.find_mutants import BUGS, CHEAP, hunt


@pytest.mark.timeout(180)
async def test_four_bugs_are_found_by_the_rules_they_break() -> None:
    found = await asyncio.to_thread(hunt, ",".join(CHEAP), "nothing", 1, 15.0)
    broken = {rule for rule, _ in found}
    assert {name for name in CHEAP if not broken & BUGS[name].rules} == set(), found
