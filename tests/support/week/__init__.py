"""A simulated week of monitors, and a second opinion on what must be said of them.

`stories` and their kin play what truly happens and who hears of it; the oracles say
from the rules alone, knowing the whole past and future, how every monitor is at any
instant; `play` has the ledger hear it all and compares. The oracles share nothing
with the state machine but the cron.
"""
