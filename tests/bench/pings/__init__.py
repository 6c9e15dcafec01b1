"""`make bench-ping`: both roles on a control plane of their own, under load.

Everything runs on this machine: API server, etcd (with fsync), the roles and the
load generator share its cores. Only 127.0.0.1 is ever pinged.
"""
