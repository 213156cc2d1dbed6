"""A page as a browser would take it apart: what it links to, asks for, and would run. For tests."""

from __future__ import annotations

from html.parser import HTMLParser

ADDRESSES = ("href", "src", "action", "formaction")


class Read(HTMLParser):
    """One page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.links: list[str] = []
        """Addresses of its links."""
        self.fields: set[str] = set()
        """Names of what its forms send."""
        self.runs: list[str] = []
        """What a browser would run or load that no template of ours has."""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in ("input", "textarea", "select", "button") and "name" in given:
            self.fields.add(given["name"])
        if tag == "script" and not given.get("src", "").startswith("/static/"):
            self.runs.append(str(self.get_starttag_text()))
        if any(name.startswith("on") for name in given):
            self.runs.append(str(self.get_starttag_text()))
        for name in ADDRESSES:
            address = given.get(name, "/")
            if not address.startswith(("/", "#", "?")) or address.startswith("//"):
                self.runs.append(str(self.get_starttag_text()))
