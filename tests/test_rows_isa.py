"""The tests of losses of rows, on the instruction sets that this process does not use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastloss import _core

OTHERS = [isa for isa in _core.available_isas() if isa != _core.isa]
if not OTHERS:
    OTHERS = [pytest.param("", marks=pytest.mark.skip(reason="there is no other here"))]

HERE = Path(__file__).parent
TESTS = {
    "test_rows.py": (
        "test_values_and_derivatives",
        "test_nearly_equal_rows",
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

RUN = """
import sys, pytest
from fastloss import _core
assert _core.isa == sys.argv[1], _core.isa
sys.exit(pytest.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("isa", OTHERS)
def test_losses_of_rows(isa):
    tests = [f"{HERE / file}::{name}" for file, names in TESTS.items() for name in names]
    options = ["-q", "-x", "-k", CHOSEN, "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-c", RUN, isa, *options, *tests],
        env=os.environ | {"FASTLOSS_ISA": isa},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
