#!/bin/sh
export HP_TIMEOUT_CONNECT="${HP_TIMEOUT_CONNECT:-30s}"
export HP_TIMEOUT_CLIENT="${HP_TIMEOUT_CLIENT:-30s}"
export HP_TIMEOUT_SERVER="${HP_TIMEOUT_SERVER:-1800s}"
envsubst < haproxy.cfg.template > /haproxy.cfg
