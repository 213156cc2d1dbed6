"""Blind studies: pairs of answers, raters by link, votes, results (paper, 5.4 and E.2)."""
