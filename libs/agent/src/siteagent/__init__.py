"""The probe at a site: measures, keeps what it measured, and sends it signed."""

from importlib.metadata import version

SOFTWARE = f"siteagent {version('smartcity-siteagent')}"
"""What the server is told of this software."""
