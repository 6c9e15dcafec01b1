"""The package's one error. It holds no logic."""


class DemoError(Exception):
    """What went wrong and what to do next, as a text for the person at the terminal."""
