"""How a line is measured: probes that ask, and a reflector that answers."""
