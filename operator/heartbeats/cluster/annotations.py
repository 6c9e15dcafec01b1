"""The annotations that steer a pod on the embedded control plane.

Set them on a Job's pod template or on the running pod; stages/stages.yaml gives them
their meaning. This module holds names only.
"""

RUN_FOR = "kwok.heartbeats.dev/run-for"
"""How long the pod runs: a Go duration ("5s"), seconds ("5") or FOREVER; else 1s."""

EXIT_CODE = "kwok.heartbeats.dev/exit-code"
"""The containers' exit code, as a string; anything but "0" fails the pod."""

MESSAGE = "kwok.heartbeats.dev/message"
"""The containers' termination message."""

STUCK = "kwok.heartbeats.dev/stuck"
"""A waiting reason, such as ImagePullBackOff: the pod stays Pending."""

FOREVER = "forever"
"""The value of RUN_FOR that means: becomes Ready and never ends."""
