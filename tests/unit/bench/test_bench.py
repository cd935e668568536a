"""What the bench says about figures, without a system: percentiles, the account against the log, comparisons."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from bench import __main__ as bench_main
from bench.compare import rows
from bench.figures import aims, delivery, percentiles
from bench.loads import LOADS, Load, Measure
from bench.plot import pictures
from bench.stream import compare
from bench.target import Target


def test_percentiles_are_those_of_the_sorted_values() -> None:
    found = percentiles([number / 1000 for number in range(1000, 0, -1)])
    assert found == {"p50_ms": 501.0, "p99_ms": 991.0, "p999_ms": 1000.0, "longest_ms": 1000.0, "measured": 1000}
    assert percentiles([], "some_") == {"some_measured": 0}


def test_loss_breaks_a_promise_and_a_missed_aim_does_not() -> None:
    assert delivery(lost=2, doubled=0, disordered=0)["broken"] == ["2 messages lost"]
    assert aims((True, "reached"), (False, "not reached")) == ["not reached"]


def test_the_account_finds_each_way_the_log_can_disagree() -> None:
    found = compare(6, {"a": 1, "b": 2, "c": 3}, {"c", "d"}, {"a": 1, "b": 9, "d": 4})
    assert {name: found[name] for name in found if name != "broken"} == {
        "unanswered": 2,
        "answered_both_ways": 1,
        "refused_but_stored": 1,
        "stored_but_missing": 1,
        "stored_elsewhere": 1,
    }
    assert compare(2, {"a": 1}, {"b"}, {"a": 1})["broken"] == []


def test_a_regression_is_told_by_its_ratio_whichever_way_is_better() -> None:
    old = {
        "machine": {},
        "a": {"messages_per_s": 1000, "p99_ms": 20.0, "lost": 0, "measured": 5},
        "gone": {"p50_ms": 1},
    }
    new = {"machine": {}, "a": {"messages_per_s": 500, "p99_ms": 21.0, "lost": 1, "measured": 9}}
    worse = {row.figure: row.regressed(1.25) for row in rows(old, new)}
    assert worse == {"messages_per_s": True, "p99_ms": False, "lost": True, "measured": False}


def test_pictures_are_well_formed_and_only_of_what_was_measured() -> None:
    result = {
        "machine": {"commit": "abc", "cores": 2, "at": "2026-01-01T00:00:00Z"},
        "a": {"p50_ms": 10.0, "p99_ms": 30.5, "cpu_us_per_message": {"x<1>": {"all": 7.0}, "(all)": {"all": 7.0}}},
        "tidings": {"party": "Tidings", "messages_per_s": 6000.0},
    }
    found = pictures(result)
    assert set(found) == {"latency.svg", "cpu.svg", "peers.svg"}
    for text in found.values():
        assert ElementTree.fromstring(text).tag.endswith("svg")
    assert pictures({"machine": {}}) == {}


def test_profiles_are_made_in_a_pass_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, Path | None]] = []

    def form(name: str) -> Measure:
        async def measure(target: Target) -> dict[str, object]:
            seen.append((name, target.profiles))
            return {}

        return measure

    target, loads = Target("http://nowhere", tmp_path), {"x": Load("", form("short"), form("full"))}
    stale = tmp_path / "profiles" / "x" / "gone-1.svg"
    stale.parent.mkdir(parents=True)
    stale.touch()
    monkeypatch.setattr(bench_main, "SETTLE_S", 0)
    bench_main.run(loads, target, True, {}, None)
    bench_main.profile(loads, target, tmp_path / "profiles")
    assert seen == [("full", None), ("short", tmp_path / "profiles")]
    assert not stale.exists()


def test_what_is_profiled_is_of_what_was_measured() -> None:
    assert set(bench_main.by_default(LOADS)) == set(bench_main.PROFILED)
    assert set(bench_main.by_default({"f": LOADS["f"], "e": LOADS["e"]})) == {"f"}
    assert set(bench_main.by_default({"e": LOADS["e"]})) == {"a"}
