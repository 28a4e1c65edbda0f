"""Sums that are exact: the same bits whatever the parts, their order, threads and merges."""

import json
import math
import pickle
import zlib
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import reduce

import numpy as np
import pytest
from isa import EVERY, result_on
from samples import DTYPES, defaults, typical

import fastloss as fl
from fastloss._core import column_sums
from fastloss.scoring.exact import ExactSums
from fastloss.scoring.groups import Level

LOSSES = ["mse", "rmse", "mae", "huber", "quantile:q=0.2", "log_cosh", "cauchy", "welsch",
          "log_loss", "brier", "focal", "poisson"]  # fmt: skip


def data(n, dtype=np.float32, groups=50, seed=0):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(dtype)
    z = np.clip(rng.random(n) ** 6, 1e-6, 1 - 1e-6).astype(dtype)
    return y, z, rng.uniform(0.1, 3, n), rng.integers(0, groups, n)


def bits(scores):
    found = [scores.values, scores.group_values, scores.group_weights, scores.group_counts]
    found += [np.array([scores.weight, scores.count])]
    found += [] if scores.errors is None else [scores.errors, scores.group_errors]
    return b"".join(np.ascontiguousarray(x).tobytes() for x in found)


def fsum(x):
    return math.fsum(x.tolist())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", [None, np.float32, np.float64])
def test_values_are_quotients_of_sums_rounded_once(dtype, weights):
    y, z, w, groups = data(20_000, dtype)
    w = None if weights is None else w.astype(weights)
    scores = fl.score(y, z, LOSSES, sample_weight=w, groups=groups)
    for i, loss in enumerate(map(fl.get_loss, LOSSES)):
        if loss._root:
            continue
        terms = loss(y, z, reduction="none") * (1 if w is None else w)
        for k in range(50):
            rows = groups == k
            weight = rows.sum() if w is None else fsum(w[rows])
            assert scores.group_values[k, i] == fsum(terms[rows]) / weight
        assert scores.values[i] == fsum(terms) / (len(y) if w is None else fsum(w))


@pytest.mark.parametrize("stderr", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_parts_order_threads_and_merges_do_not_show(dtype, stderr):
    y, z, w, groups = data(100_000, dtype)
    rng = np.random.default_rng(1)

    def score(parts, threads, how):
        edges = np.linspace(0, len(y), parts + 1).astype(int)
        order = rng.permutation(parts)
        scorers = []
        with fl.num_threads(threads):
            for k in order:
                if not scorers or how != "one":
                    scorers.append(fl.Scorer(LOSSES, stderr=stderr))
                rows = slice(edges[k], edges[k + 1])
                scorers[-1].update(y[rows], z[rows], w[rows], groups[rows])
        if how == "bytes":
            scorers = [fl.Scorer.from_bytes(scorer.to_bytes()) for scorer in scorers]
        return bits(sum(scorers).result())

    whole = score(1, 1, "one")
    assert score(1, 2, "one") == whole
    for parts, how in ((7, "one"), (7, "merged"), (7, "bytes"), (100, "one"), (301, "merged")):
        assert score(parts, 2, how) == whole
    shuffled = rng.permutation(len(y))
    again = fl.score(
        *(x[shuffled] for x in (y, z)), LOSSES, sample_weight=w[shuffled], groups=groups[shuffled],
        stderr=stderr,
    )  # fmt: skip
    assert bits(again) == whole


@pytest.mark.parametrize("loss", defaults(), ids=lambda loss: loss.name)
def test_every_loss_has_the_sum_of_its_values(loss):
    for dtype in DTYPES:
        y, z = typical(loss, 700, dtype)
        if not loss._root:
            assert fl.score(y, z, loss)[loss] == fsum(loss(y, z, reduction="none")) / 700


def total(found, group=0, term=0):
    numbers, one = ExactSums(*found).units()
    return Fraction(int(numbers[group, term]), one)


def exactly(x):
    return sum(map(Fraction, np.asarray(x, float).tolist()), Fraction(0))


def check_columns():
    """Sums and products of columns of every magnitude, against fractions."""
    rng = np.random.default_rng(0)
    n = 3001
    wide = rng.normal(size=n) * 10.0 ** rng.integers(-300, 300, n)
    least = rng.integers(-9, 9, n) * 5e-324
    narrow = rng.normal(size=n) * 10.0 ** rng.integers(-20, 20, n)
    single = (rng.random(n) * 10.0 ** rng.integers(-30, 30, n)).astype(np.float32)
    codes = rng.integers(0, 7, n)
    columns = [wide, least, narrow, single]
    pairs = [(2, 2), (2, 3), (3, 3)]
    for groups, count in ((None, 1), (codes, 7), (np.sort(codes), 7)):
        found = column_sums(columns, None, groups, count, pairs)
        for g in range(count):
            rows = slice(None) if groups is None else groups == g
            assert found[3][g] == (n if groups is None else rows.sum())
            for k, column in enumerate(columns):
                assert total(found, g, k) == exactly(column[rows]), (g, k)
            for k, (a, b) in enumerate(pairs):
                products = [
                    Fraction(float(x)) * Fraction(float(z))
                    for x, z in zip(columns[a][rows], columns[b][rows], strict=True)
                ]
                assert total(found, g, len(columns) + k) == sum(products), (g, a, b)


@pytest.mark.parametrize("isa", EVERY)
def test_columns_of_every_magnitude(isa):
    result_on(isa, check_columns)


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 511, 512, 513])
def test_sizes_around_blocks(n):
    x = np.random.default_rng(n).normal(size=n)
    for column in (x, x.astype(np.float32), np.zeros(n), -(x**2)):
        assert total(column_sums([column], None, None, 1, [])) == exactly(column)


@pytest.mark.parametrize("sign", [1, -1])
def test_terms_beyond_the_unit_of_the_block_before(sign):
    groups = np.arange(1024) % 2
    for size in (4096.0, 12_289.0, 20_000.0, 24_575.0, 1e6):
        column = np.where(np.arange(1024) < 512, 1.0, sign * size)
        found = column_sums([column], None, groups, 2, [])
        for g in range(2):
            assert total(found, g) == exactly(column[groups == g])


def test_sums_that_cancel():
    x = np.array([1e300, 1.0, -1e300, 1e-300] * 1000)
    found = ExactSums(*column_sums([x], None, None, 1, []))
    assert found.rounded()[0, 0] == math.fsum(x) == 1000.0


@pytest.mark.parametrize("terms", [[np.inf, 1], [-np.inf, 2], [np.nan, 1], [np.inf, -np.inf]])
def test_infinite_and_nan_terms_keep_their_meaning(terms):
    rng = np.random.default_rng(0)
    x = rng.normal(size=2000)
    x[[7, 1500]] = terms
    groups = np.zeros(2000, np.intp)
    groups[1000:] = 1
    with np.errstate(invalid="ignore"):
        expected = [terms[0] + (terms[1] * 0 if np.isfinite(terms[1]) else terms[1])]
    for codes, count in ((None, 1), (groups, 2), (np.arange(2000) % 3, 3)):
        sums = ExactSums(*column_sums([x], None, codes, count, []))
        np.testing.assert_array_equal(sums.total().rounded()[0], expected)
    finite = np.isfinite(x)
    sums = ExactSums(*column_sums([x], None, np.where(finite, 0, 1), 2, []))
    assert sums.rounded()[0, 0] == math.fsum(x[finite])


def test_an_infinite_loss_makes_its_group_infinite():
    scores = fl.score([1, 1, 0], [0.0, 0.5, 0.5], ["log_loss"], groups=[1, 2, 2], stderr=True)
    assert scores.group_values[:, 0].tolist() == [math.inf, math.log(2)]
    assert scores["log_loss"] == math.inf
    assert math.isnan(scores.errors[0])
    assert scores.group_errors[1, 0] == 0


def test_a_mean_whose_sum_is_beyond_all_numbers():
    x = np.full(10, 1.5e308)
    assert fl.score(np.zeros(10), x, ["mae"]).values[0] == 1.5e308


@pytest.mark.parametrize("scale", [1e-50, 1e-310, 1e300])
def test_weights_of_every_magnitude(scale):
    y, z = np.float32([0, 0, 0]), np.float32([0, 1, 1])
    weights = scale * np.array([1.0, 2.0, 3.0])
    for stderr in (False, True):
        scores = fl.score(y, z, ["mse"], sample_weight=weights, stderr=stderr)
        assert scores["mse"] == math.fsum(weights[1:]) / math.fsum(weights)


def test_constant_losses_have_no_error():
    scores = fl.score(np.zeros(1000), np.full(1000, 0.1), ["mae", "mse"], stderr=True)
    assert scores.errors.tolist() == [0, 0]


# ---- bytes


LABELS = ["text", "", 7, -(2**70), True, 2.5, -0.25, b"raw", Level("(0, 5]", 3), "(missing)",
          date(2026, 1, 2), datetime(2026, 1, 2, 3, 4, 5, 6), timedelta(days=-1, seconds=3),
          Decimal("1.10")]  # fmt: skip


class Given:
    def __init__(self, labels):
        self.categories, self.codes = labels, np.arange(len(labels))


@pytest.mark.parametrize("nested", [False, True])
def test_bytes_hold_all_that_was_seen(nested):
    labels = [(label, 1) for label in LABELS] if nested else LABELS
    n = len(labels)
    scorer = fl.Scorer(["mse", fl.Huber(delta=0.1)], nan_policy="omit", stderr=True)
    z = np.linspace(0.1, 3, n)
    z[2] = np.nan
    scorer.update(np.zeros(n), z, np.arange(1.0, n + 1), Given(labels))
    scorer.update(np.zeros(n), -z, np.arange(1.0, n + 1), Given(labels))
    again = fl.Scorer.from_bytes(scorer.to_bytes())
    assert again.to_bytes() == scorer.to_bytes()
    assert bits(again.result()) == bits(scorer.result())
    assert again.result().groups == scorer.result().groups
    assert list(map(type, again.result().groups)) == list(map(type, scorer.result().groups))
    assert json.loads(scorer.to_bytes())["version"] == 1


def test_bytes_of_nothing_and_of_infinities():
    empty = fl.Scorer("mse")
    assert fl.Scorer.from_bytes(empty.to_bytes()).to_bytes() == empty.to_bytes()
    scorer = fl.Scorer(["log_loss", "mse"])
    scorer.update([1, 0], [0.0, 0.5], groups=[1, 2])
    again = fl.Scorer.from_bytes(scorer.to_bytes())
    assert bits(again.result()) == bits(scorer.result())


@pytest.mark.parametrize("damage", [
    lambda b: b"", lambda b: b[:-2], lambda b: b.replace(b"@", b"f@", 1), lambda b: b"[1, 2]",
    lambda b: b.replace(b'"version": 1', b'"version": 9'), lambda b: b"\xff" + b,
    lambda b: b.replace(b'"counts":[2]', b'"counts":[3]'),
    lambda b: b.replace(b"scorer", b"scores"),
])  # fmt: skip
def test_other_bytes_are_refused(damage):
    scorer = fl.Scorer("mse")
    scorer.update([1.0, 2.0], [1.5, 2.25])
    given = damage(scorer.to_bytes())
    assert given != scorer.to_bytes()
    with pytest.raises(ValueError, match="these bytes"):
        fl.Scorer.from_bytes(given)


def sealed(message, change):
    """The bytes of a state that was changed, with its checksum."""
    found = json.loads(message)
    change(found["state"])
    body = json.dumps(found["state"], separators=(",", ":"))
    return json.dumps(found | {"crc32": zlib.crc32(body.encode())}).encode()


def paths(state, way=()):
    """Where there is something in a state."""
    inside = state.items() if isinstance(state, dict) else enumerate(state)
    for key, value in inside if isinstance(state, (dict, list)) else ():
        yield (*way, key)
        if isinstance(value, (dict, list)):
            yield from paths(value, (*way, key))


def scorer_of_labels():
    scorer = fl.Scorer(["log_loss"])
    labels = [(label, 1) for label in LABELS]
    scorer.update(np.zeros(len(labels)), np.linspace(0, 1, len(labels)), None, Given(labels))
    return scorer


def scorer_of_clusters():
    scorer = fl.Scorer(["mse", "max_error"], stderr=True, clustered=True)
    scorer.update([0.0, 1, 2], [np.inf, 2, 3], groups=["a", "b", "b"], cluster=[1, 2, 3])
    return scorer


def scorer_of_outputs():
    scorer = fl.Scorer("max_error", multioutput=[1.0, 2.0])
    scorer.update([[0.0, 1.0]], [[1.0, 3.0]], groups=["a"])
    return scorer


def comparer():
    comparer = fl.Comparer(["mae", "accuracy"], ["old", "new"], nan_policy="omit")
    comparer.update([1, 0], {"old": [0.5, 0.25], "new": [0.25, 0.5]}, [1.0, 2.0])
    return comparer


OTHER = [None, True, -1, 1.5, 2**63, 10**30, "", "x", "1@9999", "nan", "\ud800", [], {}, ["a"],
         [None], ["a", "a"], [[]], [1, 2], [1, "x"], ["bool", 1.5], ["level", "a", 0.5],
         ["float", "nan"], ["float", "x"], ["float", "0x1p9999"], ["bytes", "é"],
         ["decimal", "x"], ["decimal", "sNaN"], ["timedelta", 10**12, 0, 0], ["date", "2026-13-01"],
         ["datetime", 3], ["key", ["key", {}]], [["key"], ["key", 1]], {"losses": "mse"},
         {"0": "x"}, {"losses": ["top_k_accuracy:k=inf"]}, {"a": 1}]  # fmt: skip


@pytest.mark.parametrize(
    "make", [scorer_of_labels, scorer_of_clusters, scorer_of_outputs, comparer]
)
def test_whatever_is_in_bytes_only_value_errors_come_out(make):
    message = make().to_bytes()
    kind = type(make())
    seen = 0
    for way in list(paths(json.loads(message)["state"])):
        for other in OTHER:

            def change(state, way=way, other=other):
                for key in way[:-1]:
                    state = state[key]
                state[way[-1]] = other

            given = sealed(message, change)
            try:
                read = kind.from_bytes(given)
            except ValueError as error:
                assert str(error).startswith("these bytes are not those of a ")
                seen += 1
            else:
                again = kind.from_bytes(read.to_bytes())
                try:
                    read.result()
                except ValueError as error:  # of no samples
                    assert "undefined" in str(error)
                assert again.to_bytes() == read.to_bytes()
    assert seen > 500


def test_bytes_that_would_lose_rows_are_refused():
    scorer = fl.Scorer("mse")
    scorer.update([0.0, 0, 0], [1.0, 2, 3], groups=["a", "b", "b"])
    message = scorer.to_bytes()
    for part, value, words in [
        ("labels", ["a", "a"], "twice"),
        ("labels", ["a"], "not of 1 groups and 2 terms"),
        ("labels", ["a", "b", "c"], "not of 3 groups"),
        ("labels", ["a", ["float", "nan"]], r"\['float', 'nan'\] is no label"),
        ("labels", ["a", ["key", ["decimal", "NaN"]]], "no label"),
        ("labels", ["a", None], "there are labels of groups where"),
        ("labels", ["a", ["key", "a", "b"]], "as many keys"),
        ("keys", ["day", "shop"], "as many keys"),
        ("grouped", "x", "grouped"),
        ("grouped", None, "grouped"),
        ("grouped", False, "labels of groups where there are none"),
        ("keys", "day", "keys"),
        ("sums", None, "no sums"),
    ]:
        with pytest.raises(ValueError, match=words):
            fl.Scorer.from_bytes(sealed(message, lambda s, p=part, v=value: s.update({p: v})))
    for part, value, words in [
        ("counts", [-7, -8], "counts"), ("counts", [1.9, 1], "counts"), ("counts", [1], "counts"),
        ("counts", [2**62, 2**62], "counts"), ("shape", [-1, 2], "2 groups and 2 terms"),
        ("sums", ["1@1074"] * 3 + ["1@999999999999"], "'1@999999999999' is no sum"),
        ("sums", ["1@1074"] * 3 + ["1@2200"], "of up to 2200 bits"),
        ("sums", ["1@1074"] * 3, "not 4 numbers"), ("special", {"4": "inf"}, "infinite"),
        ("special", {"0": "1.0"}, "infinite"), ("special", [], "infinite"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=words):
            change = lambda s, p=part, v=value: s["sums"].update({p: v})  # noqa: E731
            fl.Scorer.from_bytes(sealed(message, change))


def test_nested_bytes_are_refused():
    nested = '"a"'
    for _ in range(400):
        nested = f'["key",{nested}]'
    message = fl.Scorer("mse").to_bytes()
    deep = sealed(message, lambda s: s.update(grouped=True, labels=[json.loads(nested)]))
    for given in (b"[" * 100_000, b'{"a":' * 100_000, deep):
        with pytest.raises(ValueError, match="these bytes are not those of a Scorer"):
            fl.Scorer.from_bytes(given)
    with pytest.raises(TypeError, match="data must be bytes; got int"):
        fl.Scorer.from_bytes(10**12)


def test_scorers_add_up():
    y, z, w, groups = data(3000)
    parts = [slice(0, 10), slice(10, 2000), slice(2000, 3000)]
    scorers = []
    for rows in parts:
        scorers.append(fl.Scorer(LOSSES))
        scorers[-1].update(y[rows], z[rows], w[rows], groups[rows])
    before = [scorer.to_bytes() for scorer in scorers]
    whole = bits(fl.score(y, z, LOSSES, sample_weight=w, groups=groups))
    assert bits(sum(scorers).result()) == whole
    assert bits(reduce(lambda a, b: b + a, scorers).result()) == whole
    assert bits(pickle.loads(pickle.dumps(scorers[0] + scorers[1] + scorers[2])).result()) == whole
    assert [scorer.to_bytes() for scorer in scorers] == before
    with pytest.raises(TypeError):
        scorers[0] + 1


def test_products_beyond_the_range_of_units_leave_other_groups_alone():
    z = [1.2345e151, 1.0, 2.0, 3.0]
    scores = fl.score(np.zeros(4), z, ["mae"], groups=[0, 1, 1, 1], stderr=True)
    assert scores.group_errors[1, 0] == pytest.approx(1 / math.sqrt(3), rel=1e-15)
    parts = []
    for k in range(4):
        parts.append(fl.Scorer(["mae"], stderr=True))
        parts[-1].update([0.0], z[k : k + 1], groups=[min(k, 1)])
    assert bits(sum(parts).result()) == bits(scores)


def test_sums_doubled_many_times():
    scorer = fl.Scorer("mse")
    scorer.update([0.0, 0.0], [1 / 3, 7 / 3])
    value = scorer.result()["mse"]
    for _ in range(45):
        scorer = scorer + scorer
    assert scorer.result()["mse"] == value and scorer.result().count == 2**46
    for _ in range(10):
        scorer.merge(scorer)
    assert fl.Scorer.from_bytes(scorer.to_bytes()).result()["mse"] == value
