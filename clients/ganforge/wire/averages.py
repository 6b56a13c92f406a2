"""The names of moving averages: each is a network of its own, called after the one it follows."""

SUFFIX = "-ema"


def average_of(network: str) -> str:
    """Name the moving average of a network."""
    return f"{network}{SUFFIX}"


def averaged(name: str) -> str | None:
    """Name the network that ``name`` would be the moving average of; None when it is no such name.

    A person may have given a network a name of this kind: only a job tells.
    """
    network = name.removesuffix(SUFFIX)
    return network if network and network != name else None
