"""Print the Secrets of a laptop's object store: one key, for it and for who writes backups."""

import json
import secrets
import sys

ACCESS_KEY_ID, SECRET_ACCESS_KEY = secrets.token_hex(10), secrets.token_urlsafe(32)
MAY = ["Admin", "Read", "Write", "List", "Tagging"]
KEY = {"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}
STORE = {"identities": [{"name": "backups", "credentials": [KEY], "actions": MAY}]}


def secret(namespace: str, name: str, data: dict[str, str]) -> dict[str, object]:
    """Return a Secret as kubectl takes it."""
    place = {"namespace": namespace, "name": name}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": place, "stringData": data}


WRITER = {"ACCESS_KEY_ID": ACCESS_KEY_ID, "SECRET_ACCESS_KEY": SECRET_ACCESS_KEY}
ITEMS = [
    secret("object-store", "keys", {"s3.json": json.dumps(STORE)}),
    secret("smartcity", "postgres-backup", WRITER),
]
json.dump({"apiVersion": "v1", "kind": "List", "items": ITEMS}, sys.stdout)
