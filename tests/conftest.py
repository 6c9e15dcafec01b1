"""What all tests share: which examples Hypothesis tries.

The same ones every time, so that a red run is the fault of its change;
`make search` looks for new counterexamples. It may not know the operator.
"""

from hypothesis import settings

settings.register_profile("known", derandomize=True)
settings.register_profile("search", max_examples=1000)
settings.load_profile("known")
