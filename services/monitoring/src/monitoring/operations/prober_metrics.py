"""The prober's metrics."""

from itertools import product

from probes.target import Kind
from prometheus_client import Counter, Gauge, Histogram

LATENESS = Histogram(
    "smartcity_prober_lateness_seconds",
    "From the moment that a check was due until it began.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
DONE = Counter(
    "smartcity_prober_checks_total",
    "Checks done: answered, silent, or unmeasured (the prober lacked what it needs).",
    ("kind", "outcome"),
)
for kind_and_outcome in product(Kind, ("answered", "silent", "unmeasured")):
    DONE.labels(*kind_and_outcome)  # at 0 from the start: a rate needs a first value
SKIPPED = Counter(
    "smartcity_prober_skipped_total", "Moments that passed while the check before was under way."
)
IN_FLIGHT = Gauge("smartcity_prober_in_flight", "Checks under way.")
SCHEDULED = Gauge("smartcity_prober_scheduled_checks", "Checks that this prober asks.")
LEASES = Gauge("smartcity_prober_leases", "Partitions of regions that this prober holds.")
CUT_OFF = Gauge("smartcity_prober_cut_off", "1 while no anchor answers: nothing is reported.")
WITHHELD = Counter(
    "smartcity_prober_withheld_total", "Results that a cut-off prober has not reported."
)
BUFFERED = Gauge("smartcity_prober_buffered", "Results that wait to be reported.")
LOST = Counter(
    "smartcity_prober_lost_total", "Results dropped, the oldest first, since the buffer was full."
)
