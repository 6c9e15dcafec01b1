"""`heartbeats demo`: from a checkout to a live table of monitors, and back to nothing.

It brings a cluster up, runs the operator on it as its ServiceAccount, applies
manifests/samples and shows how each sample reaches the states it is there to show.
It is a user of the product: it learns everything from the API server and from the
operator's listeners, as anybody could, and no other module may import it.
"""
