# Calls the function directly, signed by AWS: no token, no gateway, and the path is in the event.
resource "aws_scheduler_schedule" "report" {
  #checkov:skip=CKV_AWS_297:AWS's own key encrypts it, and it contains only the word report.
  count = var.schedule_report ? 1 : 0

  name                         = "${local.name}-report"
  description                  = "Asks the visitor counter (${var.stage}) for its daily report"
  schedule_expression          = "cron(0 ${var.report_hour} * * ? *)"
  schedule_expression_timezone = var.timezone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live.arn
    role_arn = aws_iam_role.schedule[0].arn
    input    = jsonencode({ path = "/report" })

    # A late report from yesterday is useless.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }
}
