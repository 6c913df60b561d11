"""Monitoring: measurements of points, and the state that they show."""
