package server

import (
	"fmt"
	"net/http"
	"time"
)

const (
	defaultServerPort        = 8080
	defaultReadHeaderTimeout = 10 * time.Second
)

func New(handler http.Handler, port int) *http.Server {
	return &http.Server{
		Addr:              fmt.Sprintf(":%d", port),
		Handler:           handler,
		ReadHeaderTimeout: defaultReadHeaderTimeout,
	}
}
