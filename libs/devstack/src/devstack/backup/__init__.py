"""A backup of the embedded platform, and a fresh state folder made from one."""
