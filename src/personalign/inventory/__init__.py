"""The questionnaire: items, keys, and what answers add up to."""

from personalign.inventory.items import Inventory, Item, ipip_neo_120, ipip_neo_300
from personalign.inventory.keys import FACETS, TRAITS, to_keyed, to_responses
from personalign.inventory.norms import Norms, NormScores, norm_group, norm_scores, percentiles
from personalign.inventory.scoring import (
    Reliability,
    cronbach_alpha,
    facet_means,
    facet_sums,
    reliability,
    trait_means,
    trait_sums,
)

__all__ = [
    "FACETS",
    "TRAITS",
    "Inventory",
    "Item",
    "ipip_neo_120",
    "ipip_neo_300",
    "to_keyed",
    "to_responses",
    "facet_means",
    "trait_means",
    "facet_sums",
    "trait_sums",
    "cronbach_alpha",
    "Reliability",
    "reliability",
    "Norms",
    "NormScores",
    "norm_group",
    "norm_scores",
    "percentiles",
]
