"""SQL, and rows as messages."""
