"""Settings of the web process; uWSGI's options are handed on."""
WEB_HOST = "0.0.0.0"
WEB_PORT = 9000
WEB_OPTIONS = {
    "http": "%s:%s" % (WEB_HOST, WEB_PORT),
    "protocol": "uwsgi",
    "uwsgi-socket": None,
    "so-keepalive": True,
    # Between 15 s and 75 s.
    "http-keepalive": 15,
    "workers": 3,
    "max-requests": 100000,
    "ignore-sigpipe": True,
}
PASSWORD = "never-to-be-printed"
