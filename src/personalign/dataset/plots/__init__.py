"""Pictures of people, as matplotlib figures; `write_figure` makes .svg and .png files of them."""

from personalign.dataset.plots.clusters import cluster_map
from personalign.dataset.plots.correlations import correlation_heat_map
from personalign.dataset.plots.demographics import age_pyramid, country_bars
from personalign.dataset.plots.person import person_among_people, person_radar
from personalign.dataset.plots.radar import LINE_COLOURS, radar
from personalign.dataset.plots.sheet import PER_SHEET, radar_sheet
from personalign.dataset.plots.style import (
    TRAIT_COLOURS,
    figure_svg,
    known_figure_ending,
    write_figure,
)
from personalign.dataset.plots.traits import trait_histograms

__all__ = [
    "trait_histograms",
    "age_pyramid",
    "country_bars",
    "correlation_heat_map",
    "cluster_map",
    "radar",
    "radar_sheet",
    "PER_SHEET",
    "person_radar",
    "person_among_people",
    "write_figure",
    "figure_svg",
    "known_figure_ending",
    "TRAIT_COLOURS",
    "LINE_COLOURS",
]
