"""The repository: networks, tags, immutable versions of weights, and snapshots of jobs."""
