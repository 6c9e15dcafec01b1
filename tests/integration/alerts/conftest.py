"""Fixtures of tests with a real Prometheus and Alertmanager."""

from support.alert_fixture import alert_tools

__all__ = ["alert_tools"]
