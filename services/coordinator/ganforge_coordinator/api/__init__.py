"""The coordinator's HTTP edge: parse, call one use-case, answer."""
