"""A WSGI application with a ledger of the requests that it has read. One worker process, since the ledger lives in it:

gunicorn --worker-class gthread --workers 1 --threads 100 --keep-alive 2 --bind ADDRESS:PORT wsgi_server:application
"""

import json
import threading

ledger = []
lock = threading.Lock()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/__ledger":
        with lock:
            body = "".join(json.dumps(entry) + "\n" for entry in ledger).encode()
    else:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        identity = environ.get("HTTP_X_RACE_ID")
        if identity:
            entry = {"id": identity, "method": environ["REQUEST_METHOD"], "answer": "answered"}
            with lock:
                ledger.append(entry)
        body = b"ok\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
