"""What `make bench-scale` measures: a cluster full of CronJobs, and the operator role.

Nothing here expects anything; the figures are for people to judge.
"""
