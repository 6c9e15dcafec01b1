"""Fixtures of tests of the documentation."""

from support.alert_fixture import alert_tools

__all__ = ["alert_tools"]
