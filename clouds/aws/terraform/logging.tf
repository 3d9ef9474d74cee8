# The function's log. It has nothing about visitors, see privacy.py.
resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_158:AWS's own key encrypts it, and nothing personal is in it.
  #checkov:skip=CKV_AWS_338:A month is enough to find a fault; set a year if you need it.
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
}

locals {
  # An error that the function itself answers, like 503 while the table is unavailable, is a normal answer for Lambda, so
  # there is also an alarm for what visitors got.
  alarms = {
    errors = {
      namespace  = "AWS/Lambda"
      metric     = "Errors"
      dimensions = { FunctionName = aws_lambda_function.counter.function_name }
      above      = 0
      about      = "The function failed to answer: it did not start, took too long or ran out of memory."
    }
    throttles = {
      namespace  = "AWS/Lambda"
      metric     = "Throttles"
      dimensions = { FunctionName = aws_lambda_function.counter.function_name }
      above      = 0
      about      = "More visits at once than the account may run functions. Visits were lost; ask AWS for a higher concurrency."
    }
    gateway = {
      namespace  = "AWS/ApiGateway"
      metric     = local.rest == 1 ? "5XXError" : "5xx"
      dimensions = local.rest == 1 ? { ApiName = local.name } : { ApiId = one(aws_apigatewayv2_api.counter[*].id) }
      above      = 4
      about      = "Visitors get errors. Ask ${local.url}/health."
    }
    table = {
      namespace  = "AWS/DynamoDB"
      metric     = "WriteThrottleEvents"
      dimensions = { TableName = aws_dynamodb_table.counter.name }
      above      = 4
      about      = "More visits a second than one item of a table takes. They wait in the journal."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "trouble" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = "Visitor counter (${var.stage}). ${each.value.about} Log group ${aws_cloudwatch_log_group.function.name} may say more."
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.above
  treat_missing_data  = "notBreaching" # no visits are no trouble
  alarm_actions       = [aws_sns_topic.alarms.arn]
}
