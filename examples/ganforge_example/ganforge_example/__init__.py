"""A plug-in for ganforge: a strategy, a pair of networks and a dataset."""
