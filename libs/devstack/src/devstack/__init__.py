"""The whole platform as child processes of one command."""
