"""What an agent says of itself."""

from datetime import UTC, datetime

from siteagent.buffer import Buffer, Limits
from siteagent.keys import Identity
from siteagent.store import Store

COUNTS = ("taken", "waiting", "sent", "rejected", "dropped")
LAST = 5


def status_text(identity: Identity, store: Store) -> str:
    """Return lines for people: whose it is, what waits, what was sent, how its clock stands."""
    figures = store.figures()
    lines = [f"agent: {identity.agent}", f"server: {identity.server}"]
    lines += [f"{name}: {figures.get(name, 0)}" for name in COUNTS]
    lines.append(f"last answer: {_time(figures.get('last_answer_us'))}")
    lines.append(f"clock before the server's: {figures.get('skew_ms', 0)} ms")
    rejections = list(Buffer(store, Limits()).rejected())[:LAST]
    lines += [f"rejected: {why.reason}: {why.message}" for why in rejections]
    return "\n".join(lines) + "\n"


def _time(time_us: int | None) -> str:
    if time_us is None:
        return "never"
    return datetime.fromtimestamp(time_us / 1e6, UTC).isoformat(timespec="seconds")
