"""The faults that a running job must survive, each with what is promised and how soon."""

from tests.chaos.faults import database, learner, network, servers
from tests.chaos.faults.fault import FAULTS, Fault

__all__ = ["FAULTS", "Fault", "database", "learner", "network", "servers"]
