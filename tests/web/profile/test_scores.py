"""A profile is `inventory.profile` of the same answers, with errors that come from the model."""

from __future__ import annotations

import numpy as np
import pytest

from personalign.dataset.adaptive_person import standing_of
from personalign.dataset.answers import AnswerSheet
from personalign.dataset.measurement import mean_errors
from personalign.dataset.simulate import simulate
from personalign.inventory.items import Inventory, ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS
from personalign.inventory.profile import profile_of
from personalign.web.profile.scores import scores_of
from personalign.web.questionnaire.about import About

RESPONSES = simulate(1, seed=11).responses[0]


def sheet_of(form: Inventory, leave_out: int = 0) -> AnswerSheet:
    answers = [int(value) for value in RESPONSES[ipip_neo_300().columns(form)]]
    answers[:leave_out] = [0] * leave_out
    return AnswerSheet(form, tuple(answers))


def adaptive_sheet() -> AnswerSheet:
    whole, asked = sheet_of(ipip_neo_120()), tuple(range(0, 120, 4))
    answers = tuple(one if place in asked else None for place, one in enumerate(whole.answers))
    return AnswerSheet(ipip_neo_120(), answers, asked)


@pytest.mark.parametrize("form", [ipip_neo_120(), ipip_neo_300()], ids=["120", "300"])
@pytest.mark.parametrize("sex", ["female", "male", None])
def test_means_and_percentiles_are_those_of_the_inventory(form: Inventory, sex: str | None) -> None:
    sheet = sheet_of(form, leave_out=3)
    scores = scores_of(sheet, About(33, sex))  # type: ignore[arg-type]
    profile = profile_of(sheet.respondents().responses[0], sex=sex, age=33)  # type: ignore[arg-type]
    assert scores.basis == "norms" and scores.norm_items == len(form)
    assert scores.missing == 3
    standing = profile.standing
    assert standing is not None
    for codes, means, t, percentiles in (
        (TRAITS, profile.traits, standing.trait_t, standing.trait_percentiles),
        (FACETS, profile.facets, standing.facet_t, standing.facet_percentiles),
    ):
        found = [scores.scales[code] for code in codes]
        np.testing.assert_allclose([one.mean for one in found], means, atol=0.00501)
        np.testing.assert_allclose([one.t for one in found], t, atol=0.0501)
        np.testing.assert_allclose([one.percentile for one in found], percentiles, atol=0.91)


def test_errors_are_the_measurement_s_on_the_norms_scale() -> None:
    sheet = sheet_of(ipip_neo_120())
    scores = scores_of(sheet, About(33, "female"))
    standing = profile_of(sheet.respondents().responses[0], sex="female", age=33).standing
    assert standing is not None
    found = mean_errors(sheet.answers, ipip_neo_120())  # type: ignore[arg-type]
    expected = 10 * 4 * found.facets / standing.norms.facet_sds
    errors = [scores.scales[code].t_error for code in FACETS]
    np.testing.assert_allclose(errors, expected, atol=0.0501)
    for scale in scores.scales.values():
        assert scale.range is not None and scale.percentile is not None
        assert scale.range[0] <= scale.percentile <= scale.range[1]
    for trait in scores.traits:
        own = [facet.t_error or 0 for facet in scores.facets(trait.code)]
        assert (trait.t_error or 0) < sum(own) / 6, "a trait is surer than its facets"


def test_without_an_age_there_are_means_and_nothing_is_compared() -> None:
    scores = scores_of(sheet_of(ipip_neo_120()), About())
    assert scores.basis == "means" and scores.norm_items is None
    for scale in scores.scales.values():
        assert scale.t is scale.percentile is scale.range is scale.level is None
        assert scale.mean is not None and scale.mean_error is not None


def test_a_facet_with_too_few_answers_has_no_score_and_takes_its_trait_along() -> None:
    form = ipip_neo_120()
    answers = tuple(
        0 if item.facet == "N1" else answer
        for item, answer in zip(form, sheet_of(form).answers, strict=True)
    )
    scores = scores_of(AnswerSheet(form, answers), About(40))
    assert scores.scales["N1"].mean is None and scores.scales["N1"].percentile is None
    assert scores.scales["N"].percentile is None and scores.scales["O"].percentile is not None


def test_the_adaptive_form_says_where_the_model_puts_somebody() -> None:
    sheet = adaptive_sheet()
    scores = scores_of(sheet, About(33, "male"))
    standing = standing_of(sheet)
    assert scores.basis == "model" and scores.norm_items is None and scores.answered == 30
    np.testing.assert_allclose(
        [scale.t for scale in scores.traits], 50 + 10 * standing.traits[0], atol=0.0501
    )
    np.testing.assert_allclose(
        [scores.scales[code].t_error for code in standing.model.scales],
        10 * standing.errors[0],
        atol=0.0501,
    )
    whole = scores_of(sheet_of(ipip_neo_120()), About(33, "male"))
    assert all(
        (few.t_error or 0) > (many.t_error or 99)
        for few, many in zip(scores.traits, whole.traits, strict=True)
    )


def test_careless_answers_are_noticed_and_careful_ones_are_not() -> None:
    form = ipip_neo_120()
    assert scores_of(sheet_of(form), About()).careless == ()
    same = AnswerSheet(form, (4,) * 120)
    assert "longest_string" in scores_of(same, About()).careless
    random = np.random.default_rng(8).integers(1, 6, 120).tolist()
    assert "even_odd" in scores_of(AnswerSheet(form, tuple(random)), About()).careless
