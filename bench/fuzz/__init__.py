"""What schemathesis is told besides the description."""
