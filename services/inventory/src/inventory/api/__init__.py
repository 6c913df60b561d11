"""gRPC servicers: decode, call an operation, encode."""
