"""Measurements in the forms of others, read into our own."""
