"""Who wins: comparisons of a run, of two runs, and what is printed and published of them."""

import dataclasses
import importlib
import io
import json
from pathlib import Path

import pytest
from bench_rows import made, row
from rich.console import Console

from fastloss.bench.cases import times
from fastloss.bench.peers.base import FRESH, GIVEN
from fastloss.bench.report import MOST_LOST, print_outcomes
from fastloss.bench.results import OURS, Results, ResultsError, compare

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "results.json"
SMALL = (32,)


def test_ratios_compare_like_with_like():
    found = made(
        row(OURS, 1.0), row(OURS, 2.0, FRESH), row("a", 3.0), row("a", 8.0, FRESH),
        row("b", 5.0, FRESH),
    )  # fmt: skip
    (key,) = found.ratios()
    assert found.ratios()[key] == {"a": 3.0, "b": 2.5}  # b cannot write to arrays given
    assert found.ratios(FRESH)[key] == {"a": 4.0, "b": 2.5}
    assert key.name == "mse" and key.n == 1000


def test_comparisons_are_counted_by_the_quartiles():
    found = made(
        row(OURS, 1.0, spread=0.25), row(OURS, 4.0, FRESH, spread=0.25),
        row("won", 2.0), row("won", 8.0, FRESH),
        row("lost", 0.5), row("lost", 2.0, FRESH),
        row("noise", 1.25, spread=0.0),  # its quartile is our upper one: they meet
        row("noise", 2.5, FRESH, spread=0.5),  # and these overlap
        row("fresh only", 3.5, FRESH, spread=0.0),  # more than ours given, but within ours fresh
        row("alone", 1.0, shape=SMALL),  # nothing of ours to compare with
    )  # fmt: skip
    assert found.counts() == {
        "won": {"won": 2, "lost": 0, "noise": 0},
        "lost": {"won": 0, "lost": 2, "noise": 0},
        "noise": {"won": 0, "lost": 0, "noise": 2},
        "fresh only": {"won": 0, "lost": 0, "noise": 1},
    }
    assert [(p.theirs.peer, p.theirs.outputs) for p in found.lost()] == [
        ("lost", GIVEN), ("lost", FRESH),
    ]  # fmt: skip
    versions = {"noise": "1", "absent": "1", "won": "2"}
    assert list(dataclasses.replace(found, versions=versions).counts())[:2] == ["noise", "won"]


def test_a_value_is_compared_with_our_only_row():
    found = made(
        row(OURS, 1.0, method="value"), row("a", 2.0, method="value"),
        row("a", 0.5, FRESH, method="value"), row("a", 0.5, method="value", threads=1),
    )  # fmt: skip
    assert found.counts() == {"a": {"won": 1, "lost": 1, "noise": 0}}


def test_the_file_says_the_outcome_of_each_comparison(tmp_path):
    path = tmp_path / "results.json"
    made(row(OURS, 1.0), row("a", 0.5), row("b", 2.0), row("b", 2.0, shape=SMALL)).write(path)
    found = json.loads(path.read_text())
    assert found["columns"][-2:] == ["ratio", "outcome"]
    assert [figures[-2:] for figures in found["rows"]] == [
        [None, None], [0.5, "lost"], [2.0, "won"], [None, None],
    ]  # fmt: skip


def shown(results):
    out = io.StringIO()
    print_outcomes(results, Console(file=out, width=100))
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_the_report_of_comparisons():
    lost = [row("a", 0.5 - k / 100, shape=(k,)) for k in range(2, MOST_LOST + 4)]
    ours = [row(OURS, 1.0, shape=there.shape) for there in lost]
    slow = [row(OURS, 1.0, threads=1), row("b", 0.25, threads=1)]
    lines = shown(made(*ours, *slow, *lost, row("b", 3.0, shape=(2,))))
    assert f"a 0 {len(lost)} 0" in lines and "b 1 1 0" in lines
    assert f"all 1 {len(lost) + 1} 0" in lines
    first = lines.index("lost, the worst first to theirs / ours") + 2
    assert lines[first : first + 2] == [
        "mse value_and_grad n=1e3 float32 given 1 of 2 threads b 0.25x",
        "mse value_and_grad n=13 float32 given a 0.37x",
    ]
    assert lines[first + MOST_LOST :] == [
        'and 3 more, all in results.json: the rows whose outcome is "lost"'
    ]


def test_the_report_of_a_run_without_losses_or_peers():
    lines = shown(made(row(OURS, 1.0), row("a", 2.0)))
    assert lines[-1] == "a 1 0 0" and not any("all" in line for line in lines)
    assert shown(made(row(OURS, 1.0))) == []


def test_ratios_have_no_exponent():
    assert [times(x) for x in (0.3456, 12.34, 999.4, 999.6, 7876.5)] == [
        "0.346x", "12.3x", "999x", "1,000x", "7,876x",
    ]  # fmt: skip


def test_compare_takes_the_drift_of_the_machine_out():
    old = made(row(OURS, 1.0), row(OURS, 1.0, shape=SMALL), row("a", 1.0),
               row("a", 2.0, shape=SMALL))  # fmt: skip
    new = made(row(OURS, 2.0), row(OURS, 4.0, shape=SMALL), row("a", 2.0),
               row("a", 4.0, shape=SMALL))  # fmt: skip
    found = compare(old, new)
    assert (found.drift, found.compared, found.other_machine) == (2.0, 2, False)
    assert [(c.row.n, c.ratio) for c in found.slower] == [(32, 2.0)]
    assert found.faster == []
    back = compare(new, old)
    assert back.slower == [] and [(c.row.n, c.ratio) for c in back.faster] == [(32, 0.5)]


def test_compare_does_not_report_noise():
    old = made(row(OURS, 1.0, spread=0.3))
    assert compare(old, made(row(OURS, 1.5, spread=0.3))).slower == []  # the quartiles meet
    assert compare(made(row(OURS, 1.0)), made(row(OURS, 1.05))).slower == []  # too little
    with pytest.raises(ResultsError, match="no row of fastloss is in both"):
        compare(old, made(row(OURS, 1.5, shape=SMALL)))
    # the peers vary by a half themselves, without any reason
    old, new = (made(row(OURS, 1.0 * t), *(row("a", s, shape=(i,)) for i, s in enumerate(u)))
                for t, u in ((1, [1, 1, 1, 1]), (1.4, [1, 1.5, 1, 0.67])))  # fmt: skip
    assert compare(old, new).slower == [] and compare(old, new).noise == pytest.approx(1.5, abs=0.1)


@pytest.fixture
def publish(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("publish")


def test_the_published_tables(publish):
    for path, text in publish.pages(Results.read(RESULTS)).items():
        assert path.read_text() == text, f"run benchmarks/publish.py for {path.name}"


def test_what_is_lost_has_a_reason(publish, monkeypatch):
    monkeypatch.setattr(publish, "REASONS", {"a": {"mse": "luck"}})
    for share, why in ((0.5, "luck"), (0.01, publish.SPELL)):
        ours = row(OURS, 1.0, compute=share)
        results = made(ours, row("a", 0.5), row("a", 2.0, FRESH))
        text = publish.comparisons(results)
        assert "| `a` | 1 | 1 | 0 |" in text
        case = "value_and_grad, 1e3, float32, given"
        assert f"| 1 of 2 | {case} | 0.5x | {share:.0%} | {why} |" in text
    for reasons, message in (
        ({}, r"none for \[\('a', 'mse'\)\]; nothing lost: \[\]"),
        ({"a": {"mse mae": "luck"}}, r"none for \[\]; nothing lost: \[\('a', 'mae'\)\]"),
    ):
        monkeypatch.setattr(publish, "REASONS", reasons)
        with pytest.raises(ValueError, match=message):
            publish.comparisons(results)
