"""What people read at a terminal: monitors as they are, and as they would be.

Every command here reads the cluster once, or watches it, and renders text. Nothing of
it can write to a cluster: requests go through a client that refuses to. What monitors
say, and why, is the core's; this package may not decide it anew.
"""
