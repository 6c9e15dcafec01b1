"""The API server: what is read from it and what is written to it.

Reads other people's objects and never writes to them. Everything written is ours:
monitors, their statuses, Events, the Secrets with ping URLs, the journal. kopf is
used by `handlers` and `kopf_thread` only; the ping role imports neither.
"""
