"""What `make bench-page` measures: the status page over a full ledger.

Nothing here expects anything; the figures are for people to judge.
"""
