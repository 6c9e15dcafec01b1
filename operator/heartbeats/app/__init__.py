"""Composition roots: the only place that knows all the parts.

`operator` and `ping` each build one role, `process` runs the chosen ones until a
signal. The ping role never imports kopf. Nothing here decides anything.
"""
