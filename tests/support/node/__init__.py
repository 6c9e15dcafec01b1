"""A real node: containerd and a kubelet, in namespaces of their own; no tests.

Needs root; see `support.image.debian` for where the programs come from.
"""
