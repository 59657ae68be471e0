#!/usr/bin/env bash
HYPHEN='-'
gunicorn \
    --bind "${APP_BIND_ADDRESS:-0.0.0.0}:${APP_PORT:-8088}" \
    --access-logfile "${ACCESS_LOG_FILE:-$HYPHEN}" \
    --workers ${WORKERS:-1} \
    --worker-class ${WORKER_CLASS:-gthread} \
    --threads ${THREADS:-20} \
    --timeout ${GUNICORN_TIMEOUT:-60} \
    --keep-alive ${GUNICORN_KEEPALIVE:-2} \
    --max-requests ${WORKER_MAX_REQUESTS:-0} \
    "${FLASK_APP}"
