"""One file for each thing that monitoring can do."""
