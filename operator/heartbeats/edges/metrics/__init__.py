"""What Prometheus is told: one module for the monitors, one for the operator itself.

Everything here is read at scrape time or counted when it happens; nothing here
changes what is known or decides anything. The names are the users' interface:
docs/metrics.md lists them, and a test keeps both equal.
"""
