locals {
  image_tag   = var.image_tag
  backend_cmd = ["gunicorn", "--worker-class", "gevent", "--workers", "1", "--bind", "0.0.0.0:5000", "backend.app:app", "--timeout", "180", "--keep-alive", "61", "--log-level", "info"]
}

resource "aws_lb" "backend" {
  name         = "backend"
  idle_timeout = 60
}
