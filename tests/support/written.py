"""What the Markdown files say in a way that can be checked: links, headings, commands.

Reads files only. A command is a line of a block, indented by four spaces or fenced as
shell, that begins with a program of ours, `make` or `kubectl`.
"""

import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from support.proofs import ROOT

_FENCED = re.compile(r"^```(\w*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"^(?: {4}|\t)(?:\$ )?(.*)$", re.MULTILINE)
_SHELLS = {"bash", "sh", "shell"}
_PROGRAMS = ("make", "heartbeats", "kubectl")
_LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Command:
    """A command and the page that shows it."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Show where it stands, for a failing test."""
        return f"{self.page}: {shlex.join(self.words)}"


@cache
def pages() -> list[Path]:
    """Return every Markdown file of the project."""
    asked = ["git", "ls-files", "-co", "--exclude-standard", "*.md"]
    listed = subprocess.run(
        asked, cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return sorted(ROOT / name for name in listed if (ROOT / name).exists())


def fences(page: Path, language: str) -> list[str]:
    """Return the blocks of a page in one language."""
    return [
        text for name, text in _FENCED.findall(page.read_text()) if name == language
    ]


def links(page: Path) -> list[str]:
    """Return where a page leads to inside the project, with anchors."""
    text = _FENCED.sub("", page.read_text())
    found = [each for each in _LINK.findall(text) if "://" not in each]
    return [each for each in found if not each.startswith("mailto:")]


@cache
def anchors(page: Path) -> set[str]:
    """Return the names by which a page's headings can be linked to."""
    text = _FENCED.sub("", page.read_text())
    return {_slug(heading) for heading in _HEADING.findall(text)}


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")


def commands() -> list[Command]:
    """Return every command that a page shows in a block."""
    return [
        Command(str(page.relative_to(ROOT)), words)
        for page in pages()
        for line in _lines(page)
        if (words := _words(line))
    ]


def _lines(page: Path) -> list[str]:
    text = page.read_text()
    blocks = [each for name, each in _FENCED.findall(text) if name in _SHELLS]
    blocks.append("\n".join(_INDENTED.findall(_FENCED.sub("", text))))
    return re.sub(r"\\\n\s*", "", "\n".join(blocks)).splitlines()


def _words(line: str) -> tuple[str, ...]:
    line = re.sub(r"^(?:export )?\w+=\$\((.*)\)$", r"\1", line)
    line = re.split(r"\s*(?:\||&&|;|<<|>)\s*", line)[0]
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return ()  # the rest of a quotation that goes on over lines
    if words and words[0].removeprefix(".venv/bin/") in _PROGRAMS:
        return (words[0].removeprefix(".venv/bin/"), *words[1:])
    return ()
