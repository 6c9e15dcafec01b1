"""How fast a reflector does things, and how long it waits: numbers and reasons.

Nothing here waits; it only says for how long.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

Uniform = Callable[[float, float], float]
"""Draws a number between two; `random.uniform`, or a test's own."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A reflector's times, in seconds, and counts; tests make them small."""

    page_limit: int = 500
    """Objects in a page: 2 MB of Jobs, a few milliseconds of decoding."""

    first_delay: float = 0.1
    """The first delay after a failure; each further one is twice as long."""

    most_delay: float = 1.0
    """The longest delay: a returning API server is noticed within a second."""

    most_retry_after: float = 60.0
    """A longer Retry-After is not believed: we would be blind for so long."""

    opening: float = 30.0
    """For a watch to be accepted."""

    inactivity: float = 70.0
    """Bookmarks come about each minute; a stream silent for longer is dead."""

    watch: tuple[float, float] = (240.0, 300.0)
    """How long a watch is asked to last: spread, so that they do not end together."""

    probe: float = 3.0
    """A watch asked to last so long brings a bookmark 2 s before its end."""

    catch_up: float = 0.1
    """So long a confirmation waits for a busy watch before it hurries it."""

    healthy: float = 1.0
    """A watch that lasted so long was a success: delays start anew."""

    turn: float = 0.005
    """The longest work between two turns of the loop; several reflectors share it."""

    fruitless: int = 3
    """So many watches in a row that brought nothing lead to a new list."""

    complain_again: float = 60.0
    """The same kind of failure is logged again after so long."""

    uniform: Uniform = random.uniform
    """The source of jitter."""
