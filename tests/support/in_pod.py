"""Runs `heartbeats` with a pod's credentials from a folder of a test's.

    python in_pod.py FOLDER -m heartbeats run ...

Everything is as in a pod but where the kubelet puts the files.
"""

import sys
from pathlib import Path

from heartbeats.cli import main
from heartbeats.edges.kube.kubeconfig import find_credentials

if __name__ == "__main__":
    _, folder, _, _, *arguments = sys.argv
    defaults = find_credentials.__kwdefaults__ or {}
    defaults["directory"] = Path(folder)
    sys.argv = ["heartbeats", *arguments]
    main()
