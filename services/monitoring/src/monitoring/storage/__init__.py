"""SQL and rows."""
