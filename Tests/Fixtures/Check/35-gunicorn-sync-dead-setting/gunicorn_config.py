workers = 3
bind = "0.0.0.0:8000"
timeout = 120
keepalive = 5
loglevel = "info"
