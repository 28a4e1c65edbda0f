"""What the page on reliability says of the tools, and what they wrote down."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECORDS = sorted((ROOT / "docs" / "reliability").glob("*.json"))


@pytest.fixture(scope="module")
def record():
    spec = importlib.util.spec_from_file_location("record", ROOT / "tools" / "record.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_what_was_recorded(record):
    assert record.PAGE.read_text() == record.page(), "python tools/record.py writes the page"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_record_is_repeated_by_a_tool_that_there_is(path):
    command = json.loads(path.read_text())["command"].split()[0]
    assert (ROOT / command).is_file() or command == "pytest"
