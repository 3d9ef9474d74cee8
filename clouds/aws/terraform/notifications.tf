# The daily report and the alarms are two topics, so that one can unsubscribe from either. Nothing is mailed until the
# link in each of AWS's first mails is opened.
resource "aws_sns_topic" "report" {
  #checkov:skip=CKV_AWS_26:It is sent as a plain mail anyway.
  name         = "${local.name}-report"
  display_name = "Visitor counter"
}

resource "aws_sns_topic_subscription" "report" {
  topic_arn = aws_sns_topic.report.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_sns_topic" "alarms" {
  #checkov:skip=CKV_AWS_26:Alarms may not use AWS's own key, and your own key costs a dollar a month.
  name         = "${local.name}-alarms"
  display_name = "Visitor counter alarm"
}

resource "aws_sns_topic_subscription" "alarms" {
  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

# For the whole account, as the bill is: a first project should not cost a surprise.
resource "aws_budgets_budget" "month" {
  count = var.budget_usd > 0 ? 1 : 0

  name         = local.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "FORECASTED"
    subscriber_email_addresses = [var.email]
  }

  notification {
    comparison_operator        = "GREATER_THAN"
    threshold                  = 100
    threshold_type             = "PERCENTAGE"
    notification_type          = "ACTUAL"
    subscriber_email_addresses = [var.email]
  }
}
