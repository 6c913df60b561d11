"""How long to wait after failures: exponentially longer, and anywhere between nothing and that.

Full jitter: machines that lost the same server at the same moment do not return together.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import SystemRandom


@dataclass(slots=True)
class Backoff:
    """The waits after failures that follow each other."""

    first_s: float = 1.0
    longest_s: float = 300.0
    uniform: Callable[[float, float], float] = SystemRandom().uniform
    failures: int = 0

    def failed(self, told_s: float = 0) -> float:
        """Note a failure and return the seconds to wait; `told_s` is what the server asked for."""
        self.failures += 1
        doubled_s = self.first_s * 2 ** min(self.failures - 1, 30)
        return self.uniform(0, max(min(self.longest_s, doubled_s), 2 * told_s))

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0
