"""The sink's endpoints: it takes a message, and shows the last ones as a page or as JSON."""

from collections import deque
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from common.telemetry.logs import logger
from flask import Flask, Response, jsonify, render_template, request

KEPT = 100
LONGEST_MESSAGE = 256 * 1024


def sink_app(kept: int = KEPT) -> Flask:
    """Return the sink as a WSGI application that keeps the last messages, the latest first."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = LONGEST_MESSAGE
    messages: deque[dict[str, Any]] = deque(maxlen=kept)
    app.add_url_rule("/", "page", lambda: render_template("messages.html", messages=[*messages]))
    app.add_url_rule("/messages", "messages", lambda: jsonify([*messages]))
    app.add_url_rule("/", "take", lambda: _take(messages), methods=["POST"])
    return app


def _take(messages: deque[dict[str, Any]]) -> Response:
    given = request.get_json()
    if not isinstance(given, dict):
        return Response("a message is an object\n", HTTPStatus.BAD_REQUEST)
    message = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "key": request.headers.get("Idempotency-Key", ""),
        "title": str(given.get("title", "")),
        "message": str(given.get("message", "")),
    }
    known = message["key"] and any(message["key"] == one["key"] for one in messages)
    if not known:
        messages.appendleft(message)
        logger().info("notification", title=message["title"])
    return Response(status=HTTPStatus.NO_CONTENT)
