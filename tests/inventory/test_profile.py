"""A profile of one person: which norms it uses, and what is left empty."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.errors import AnswersError
from personalign.inventory.items import ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.norms import norm_scores
from personalign.inventory.profile import profile_of

SHORT = ipip_neo_300().columns(ipip_neo_120())


def _only_short(full: np.ndarray) -> np.ndarray:
    responses = np.zeros(300, dtype=np.int8)
    responses[SHORT] = full[SHORT]
    return responses


def test_the_norms_are_of_the_form_that_was_answered() -> None:
    full = np.random.default_rng(0).integers(1, 6, 300).astype(np.int8)
    short = _only_short(full)
    with_all = profile_of(full, sex="male", age=30)
    with_some = profile_of(short, sex="male", age=30)
    assert with_all.standing is not None
    assert with_some.standing is not None
    assert with_all.standing.norms.items == 300
    assert with_some.standing.norms.items == 120
    direct = norm_scores(full[SHORT], ipip_neo_120(), sex="male", age=30)
    np.testing.assert_array_equal(with_some.standing.facet_t, direct.facet_t)
    assert (with_all.answered, with_some.answered) == (300, 120)


def test_as_plain_values() -> None:
    responses = np.full(300, 3, dtype=np.int8)
    responses[[item.number - 1 for item in ipip_neo_300() if item.facet == "O1"]] = 0
    values = profile_of(responses, age=30).as_dict()
    assert list(values["traits"]) == list(TRAITS)  # type: ignore[call-overload]
    facets = values["facets"]
    assert isinstance(facets, dict)
    assert list(facets) == list(FACETS)
    assert facets["O1"] == {"name": "Imagination", "mean": None, "percentile": None}
    assert facets["N1"]["mean"] == 3.0
    assert 1 <= facets["N1"]["percentile"] <= 99
    assert "mean of the tables" in str(values["norm_group"])


def test_without_an_age_there_are_no_percentiles() -> None:
    result = profile_of(np.full(300, 3))
    assert result.standing is None
    assert result.as_dict()["norm_group"] is None
    with pytest.raises(AnswersError, match="only the sex was given"):
        profile_of(np.full(300, 3), sex="male")
