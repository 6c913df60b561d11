"""The simulated network: lines to the demonstration points that answer, lag, lose and fail."""
