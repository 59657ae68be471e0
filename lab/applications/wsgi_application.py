"""A WSGI application with a ledger of the requests that it has read: a line of JSON each, appended at once."""

import json
import os

ledger = os.open(os.environ["PHOTOFINISH_LEDGER"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def application(environ, start_response):
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    identity = environ.get("HTTP_X_RACE_ID")
    if identity:
        os.write(ledger, (json.dumps({"id": identity, "method": environ["REQUEST_METHOD"]}) + "\n").encode())
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
