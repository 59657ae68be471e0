"""An ASGI application with a ledger of the requests that it has read.

uvicorn --host ADDRESS --port PORT --timeout-keep-alive 2 --no-access-log asgi_server:application
"""

import json

ledger = []


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    if scope["path"] == "/__ledger":
        body = "".join(json.dumps(entry) + "\n" for entry in ledger).encode()
    else:
        for name, value in scope["headers"]:
            if name == b"x-race-id":
                ledger.append({"id": value.decode(), "method": scope["method"], "answer": "answered"})
        body = b"ok\n"
    headers = [(b"content-type", b"text/plain"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
