"""Everything on one machine: both services on one origin, learners beside them."""
