resource "aws_lb" "gateway" {
  name               = "gateway"
  load_balancer_type = "application"
  idle_timeout       = 3600
}
