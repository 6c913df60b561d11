"""Identity: who calls, what they were granted, and whether that is enough."""
