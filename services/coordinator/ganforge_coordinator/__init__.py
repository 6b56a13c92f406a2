"""The coordinator: accepts learn jobs, leases them to learners, keeps every LearnProgress."""
