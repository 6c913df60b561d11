"""The body of Prometheus' remote write 1.0: a `WriteRequest`, compressed with Snappy."""

import cramjam
from common.errors import FieldsInvalid, Violation
from google.api.httpbody_pb2 import HttpBody
from google.protobuf.message import DecodeError
from smartcity.prometheus.v1.remote_write_pb2 import WriteRequest

from monitoring.domain.samples import Series

MOST_BYTES = 8 * 1024 * 1024
"""Unpacked: some thirty times what Prometheus sends at once by default."""
MOST_SERIES = 50_000
OTHER_VERSION = "io.prometheus.write.v2"


class BodyRefused(FieldsInvalid):
    """The body is no write request that is taken; sent again, it will not be one either."""

    reason = "BODY_REFUSED"

    def __init__(self, sentence: str) -> None:
        super().__init__([Violation("body", sentence, self.reason)])


def read_series(body: HttpBody) -> list[Series]:
    """Return the series in the body.

    Raises:
        BodyRefused: It is none, of another version, or too large.
    """
    if OTHER_VERSION in body.content_type:
        sentence = "is remote write 2.0; set protobuf_message: prometheus.WriteRequest"
        raise BodyRefused(sentence)
    try:
        request = WriteRequest.FromString(_unpacked(body.data))
    except DecodeError as error:
        raise BodyRefused("is no prometheus.WriteRequest") from error
    if len(request.timeseries) > MOST_SERIES:
        sentence = f"has {len(request.timeseries)} series; at most {MOST_SERIES} are allowed"
        raise BodyRefused(f"{sentence}: set a smaller max_samples_per_send")
    return [
        Series(
            {label.name: label.value for label in one.labels},
            [(sample.timestamp, sample.value) for sample in one.samples],
        )
        for one in request.timeseries
    ]


def _unpacked(packed: bytes) -> bytes:
    """Unpack what says beforehand that it is not too large; it never becomes larger than that."""
    try:
        length = cramjam.snappy.decompress_raw_len(packed)
        if length > MOST_BYTES:
            sentence = f"has {length} bytes unpacked; at most {MOST_BYTES} are allowed"
            raise BodyRefused(f"{sentence}: set a smaller max_samples_per_send")
        return bytes(cramjam.snappy.decompress_raw(packed))
    except cramjam.DecompressionError as error:
        raise BodyRefused("is not compressed with Snappy in its block format") from error
