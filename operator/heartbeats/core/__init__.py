"""What Heartbeats knows about time and runs: values in, values out.

Everything below this package is computation. It may not read a clock, open a
file or a socket, log, or import a framework: `now` is always an argument, and
what has to be done about a result is decided elsewhere. That is what makes each
verdict reproducible from a status and a list of facts.
"""
