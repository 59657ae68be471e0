resource "aws_lb" "this" {
  internal           = "false"
  name               = lower("${var.name}-alb")
  load_balancer_type = "application"
  subnets            = var.subnets
  idle_timeout       = 4000
}
