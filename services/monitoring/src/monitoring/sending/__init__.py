"""Messages on their way out: what an address may be, and a process of its own that sends."""
