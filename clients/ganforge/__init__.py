"""The ganforge client library: the public contract, its errors, and the clients."""

__version__ = "0.1.0"
