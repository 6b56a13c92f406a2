"""What crosses the wire: frozen pydantic models, camelCase in JSON, snake_case in Python."""
