"""The job's side of a ping: send it, or run a command and tell how it ended.

`heartbeats ping` and `heartbeats exec` are made of this. It is on a job's way to its
first instruction, so it imports the standard library only, and little of that; a
contract of the linter keeps it so. It may not decide how a monitor is.
"""
