"""What fuzzing holds to be true is true of all fixtures, and of whatever fuzzing found before."""

import pytest

from tests.fuzz_targets import FOUND, TARGETS, seeds

CASES = [
    pytest.param(target, path, id=f"{target}-{path.stem}")
    for target in TARGETS
    for path in seeds(target)
    if path.stat().st_size < 100_000
]


@pytest.mark.parametrize(("target", "path"), CASES)
def test_what_is_fuzzed_holds_for_each_fixture(target, path):
    TARGETS[target](path.read_bytes())


def test_whatever_was_found_belongs_to_a_target():
    folders = {path.name for path in FOUND.glob("*")}

    assert folders <= TARGETS.keys()
