"""Keying is its own inverse, keeps missing answers missing, and turns only '-' items."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from personalign.inventory.items import ipip_neo_300
from personalign.inventory.keys import to_keyed, to_responses

PEOPLE = arrays(np.int8, st.tuples(st.integers(0, 4), st.just(300)), elements=st.integers(0, 5))
SIGNS = ipip_neo_300().signs


@settings(max_examples=50, deadline=None)
@given(PEOPLE)
def test_twice_is_the_identity(responses: np.ndarray) -> None:
    keyed = to_keyed(responses, SIGNS)
    assert keyed.dtype == responses.dtype
    assert np.array_equal(to_responses(keyed, SIGNS), responses)
    assert np.array_equal(to_keyed(to_responses(responses, SIGNS), SIGNS), responses)


@settings(max_examples=50, deadline=None)
@given(PEOPLE)
def test_missing_stays_missing_and_plus_items_stay(responses: np.ndarray) -> None:
    keyed = to_keyed(responses, SIGNS)
    assert np.array_equal(keyed == 0, responses == 0)
    assert np.array_equal(keyed[:, SIGNS > 0], responses[:, SIGNS > 0])
    turned = (responses > 0) & (SIGNS < 0)
    assert np.all(keyed[turned] == 6 - responses[turned])


def test_floats_keep_their_nan() -> None:
    keyed = to_keyed([[1.5, np.nan, 0.0]], [-1, -1, -1])
    assert keyed[0, 0] == 4.5
    assert np.isnan(keyed[0, 1])
    assert keyed[0, 2] == 0
