"""The one HTTP and gRPC edge of the platform."""
