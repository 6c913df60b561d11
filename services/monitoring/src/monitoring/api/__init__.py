"""gRPC: decode, call an operation, encode."""
