"""How commands speak: JSON for programs, plain tables for people; text from mail is made harmless."""

import json
import sys
import unicodedata
from collections.abc import Sequence
from typing import Any


def print_json(document: Any) -> None:  # noqa: ANN401 - JSON values
    """Print one JSON document on stdout and nothing else."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=True)
    sys.stdout.write("\n")


def print_line(text: str = "") -> None:
    """Print one line for people."""
    sys.stdout.write(f"{harmless(text)}\n")


def print_warning(text: str) -> None:
    """Print one line on stderr."""
    sys.stderr.write(f"{harmless(text)}\n")


def harmless(text: str) -> str:
    """Replace what could move a terminal's cursor or turn its text round, but keep line ends."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Co", "Cs"} else "·"
        for char in text
    )


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns, the first column first on each line."""
    if not rows:
        return
    texts = [[harmless(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [
        max(len(headings[column]), *(len(row[column]) for row in texts))
        for column in range(len(headings))
    ]
    for row in ([*headings], *texts):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        sys.stdout.write(line.rstrip() + "\n")
