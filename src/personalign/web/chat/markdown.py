"""What a model wrote, as HTML that can do no harm: Markdown without HTML, then an allow-list."""

from __future__ import annotations

from typing import Any

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

LONGEST = 20_000
"""Characters of a reply that are rendered; what a page lets a model write is far less."""

TAGS = {
    "p", "br", "hr", "strong", "em", "code", "pre", "blockquote", "ul", "ol", "li", "a",
    "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
"""What is left. No pictures, which would be fetched from elsewhere, and no headings, which would be
the page's."""

SCHEMES = {"http", "https", "mailto"}
"""Where links may lead."""


def rendered(text: str) -> Markup:
    """A reply's Markdown as HTML.

    >>> print(rendered("**Yes.** <b onclick='x()'>No</b>"), end="")
    <p><strong>Yes.</strong> &lt;b onclick='x()'&gt;No&lt;/b&gt;</p>
    """
    html = nh3.clean(
        _MARKDOWN.render(text[:LONGEST]),
        tags=TAGS,
        attributes={"a": {"href"}},
        url_schemes=SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )
    return Markup(html)  # cleaned just now


def _heading(_self: Any, tokens: Any, place: int, _options: Any, _env: Any) -> str:
    return "<p><strong>" if tokens[place].nesting == 1 else "</strong></p>\n"


_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
for _rule in ("heading_open", "heading_close"):
    _MARKDOWN.add_render_rule(_rule, _heading)
