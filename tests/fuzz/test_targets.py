"""Every fuzz target on samples, on soups of its language's tokens, and on mutations of both."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.samples import TOKENS, samples
from tests.fuzz.targets import TARGETS

EXAMPLES = 120  # of each target


def inputs(name):
    """Contents of the target *name*, each followed by the bytes of its choices."""
    soup = st.lists(st.sampled_from(TOKENS[name]), max_size=30).map(b"".join)
    contents = st.one_of(soup, mutated(name), st.binary(max_size=200))
    return st.builds(bytes.__add__, contents, st.binary(min_size=16, max_size=24))


@st.composite
def mutated(draw, name):
    content = bytearray(draw(st.sampled_from(samples(name))))
    for _ in range(draw(st.integers(0, 4))):
        place, length = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        content[place : place + length] = draw(st.sampled_from(TOKENS[name]) | st.binary(max_size=8))
    return bytes(content)


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_holds_for_any_bytes(name):
    @settings(max_examples=EXAMPLES)
    @given(inputs(name))
    def check(data):
        TARGETS[name](data)

    check()


def test_every_target_has_samples_and_tokens():
    assert set(TARGETS) == set(TOKENS)
    assert all(samples(name) for name in TARGETS)
