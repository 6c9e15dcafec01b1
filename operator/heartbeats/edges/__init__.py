"""Where Heartbeats meets the world: the cluster, HTTP, logs and metrics.

Each edge translates between the world's terms and the core's, and none knows
another: what joins them is the ledger or `heartbeats.app`. An edge may not decide
how a monitor is.
"""
