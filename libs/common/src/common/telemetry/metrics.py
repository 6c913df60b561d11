"""The names of all metrics but those of gRPC, which stand in `common.rpc.metrics`."""

from prometheus_client import Counter, Gauge, Histogram

OUTBOX_PENDING = Gauge("smartcity_outbox_pending", "Events not published yet.", ("stream",))
OUTBOX_AGE = Gauge(
    "smartcity_outbox_oldest_seconds", "Age of the oldest event not published yet.", ("stream",)
)
DATABASE_CONNECTIONS = Gauge(
    "smartcity_database_connections", "Connections of the pool, by state.", ("state",)
)
DATABASE_CROWDED = Counter(
    "smartcity_database_crowded_total", "Calls that waited for a connection in vain."
)
EVENTS_PUBLISHED = Counter(
    "smartcity_events_published_total", "Events the bus has stored.", ("stream",)
)
EVENTS_HANDLED = Counter(
    "smartcity_events_handled_total",
    "What a consumer did with an event: handled, duplicate, dead, past a gap; again: put off.",
    ("consumer", "outcome"),
)
EVENT_SECONDS = Histogram(
    "smartcity_event_seconds",
    "From the change to the consumer's committed effect, in seconds.",
    ("consumer",),
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
CONSUMER_PENDING = Gauge(
    "smartcity_consumer_pending", "Events in the stream a consumer has not seen.", ("consumer",)
)
CONSUMER_REBUILT = Counter(
    "smartcity_consumer_rebuilt_total", "Subscriptions rebuilt after silence.", ("consumer",)
)
DEAD_LETTERS = Counter(
    "smartcity_dead_letters_total", "Events given up after all tries.", ("consumer",)
)
CERTIFICATE_ENDS = Gauge(
    "smartcity_certificate_end_timestamp_seconds",
    "When the own certificate for calls between services ends; 0 where there is none.",
)
NOTIFICATIONS = Counter(
    "smartcity_notifications_total",
    "What became of a message to people: sent, failed; again: tried later. Suppressed: deliveries.",
    ("outcome",),
)
NOTIFICATION_AGE = Gauge(
    "smartcity_notifications_oldest_seconds", "Age of the oldest message not delivered yet."
)
OUTCOMES = ("handled", "duplicate", "dead", "gap", "again")


def show_consumer(consumer: str) -> None:
    """Show a consumer's counters from 0 on: an alarm on their growth must see the first step."""
    for outcome in OUTCOMES:
        EVENTS_HANDLED.labels(consumer, outcome)
    for counter in (DEAD_LETTERS, CONSUMER_REBUILT):
        counter.labels(consumer)


def show_notifications() -> None:
    """Show the counters of messages from 0 on."""
    for outcome in ("sent", "failed", "again", "suppressed"):
        NOTIFICATIONS.labels(outcome)
