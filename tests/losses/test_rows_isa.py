"""The tests of losses of rows, on the instruction sets that this process does not use."""

import contextlib
import io
from pathlib import Path

import pytest
from isa import OTHERS, result_on

HERE = Path(__file__).parent
TESTS = {
    "test_rows.py": (
        "test_values_and_derivatives",
        "test_parallel_vectors",
        "test_every_number_of_classes_and_rows",
        "test_many_classes",
        "test_softmax_functions",
    ),
    "test_rows_limits.py": (
        "test_a_probability_of_nearly_1_keeps_its_digits",
        "test_impossible_classes",
        "test_a_row_that_makes_no_sense_is_nan_alone",
        "test_sets_of_next_to_nothing",
        "test_variances_next_to_0_and_huge_distances",
        "test_ratios_beyond_the_range_of_numbers",
    ),
    "test_rows_arrays.py": ("test_axes", "test_a_row_has_the_same_bits_anywhere"),
}
# 60 digits of 130 classes take seconds for each loss: one shows how more classes than few do.
CHOSEN = "not 130 or poly"


def run_tests(arguments):
    """What pytest returns, and what it prints."""
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        status = pytest.main(arguments)
    return int(status), printed.getvalue()


@pytest.mark.parametrize("isa", OTHERS)
def test_losses_of_rows(isa):
    tests = [f"{HERE / file}::{name}" for file, names in TESTS.items() for name in names]
    status, printed = result_on(
        isa, run_tests, ["-q", "-x", "-k", CHOSEN, "-p", "no:cacheprovider", *tests]
    )
    assert status == 0, printed
    assert "skipped" not in printed
