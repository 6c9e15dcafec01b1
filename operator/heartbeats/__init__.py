"""Heartbeats: a dead man's switch for everything that runs on a schedule."""

__version__ = "0.1.0"
