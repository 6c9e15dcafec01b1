"""Reads a page as a browser does, only more strictly: every element must be closed."""

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "wbr"}


class Reader(HTMLParser):
    """The elements, rows and text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data

    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def table(self) -> list[list[str]]:
        """Return the rows, the first with the heads, each text on one line."""
        return [[" ".join(cell.split()) for cell in row] for row in self.rows]

    @property
    def said(self) -> str:
        """Return the text on one line."""
        return " ".join(self.text.split())
