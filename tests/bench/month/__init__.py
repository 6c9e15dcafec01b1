"""A month in simulated time: the API server, the life in its cluster, and the clock."""
