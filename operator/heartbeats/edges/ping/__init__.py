"""The ping edge: HTTP requests become check-ins; one small module per dialect.

Nothing here judges a monitor or writes to the cluster. It knows monitors through a
`Directory` and is done with a ping when its `Recorder` is.
"""
