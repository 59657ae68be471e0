resource "google_compute_target_https_proxy" "default" {
  name                        = "web-https-proxy"
  url_map                     = google_compute_url_map.default.id
  http_keep_alive_timeout_sec = 620
}
