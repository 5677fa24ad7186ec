"""Many patterns sought at once (RE2), in time proportional to the text whatever it holds.

RE2 makes its automaton while it searches, and one that outgrows its memory finds nothing, silently:
so each set holds a pattern that is always found, and where it was not, the search has failed.
"""

from collections.abc import Mapping

import re2

MEMORY = 16 << 20  # bytes that the automaton of one set may take


class PatternSet:
    """Named patterns that are sought in one pass, in time proportional to the text."""

    def __init__(self, patterns: Mapping[str, str]) -> None:
        """Compile the patterns, in the syntax of RE2; case does not matter."""
        options = re2.Options()
        options.case_sensitive = False
        options.max_mem = MEMORY
        options.log_errors = False
        self._names = tuple(patterns)
        self._set = re2.Set.SearchSet(options)
        for pattern in patterns.values():
            self._set.Add(pattern)
        self._always = self._set.Add("")
        self._set.Compile()

    def found_in(self, text: str) -> frozenset[str] | None:
        """Return the names of the patterns that a text holds; None if the search failed."""
        found = self._set.Match(text.encode("utf-8", "replace")) or ()
        if self._always not in found:
            return None
        return frozenset(self._names[one] for one in found if one != self._always)
