locals {
  # The owner's settings, without empty ones: AWS refuses a setting without a value.
  chosen = {
    for name, value in merge(
      {
        ALLOWED_ORIGINS = var.allowed_origins
        COUNT_ON        = var.count_on
        SITE_NAME       = var.site_name
        TIMEZONE        = var.timezone
      },
      var.settings,
    ) : name => value if value != ""
  }
}

resource "aws_lambda_function" "counter" {
  #checkov:skip=CKV_AWS_50:X-Ray would store the addresses that were called.
  #checkov:skip=CKV_AWS_115:A new account may run ten at once, and reserving takes them away from everything else there.
  #checkov:skip=CKV_AWS_116:It answers its caller; there is nothing to put into a queue.
  #checkov:skip=CKV_AWS_117:It talks to DynamoDB and SNS only; your own network costs 30 dollars a month for access to them.
  #checkov:skip=CKV_AWS_173:AWS's own key encrypts the settings, which is free.
  #checkov:skip=CKV_AWS_272:The pipeline compares hashes, and anybody can build the same archive again.
  function_name = local.name
  description   = "Visitor counter (${var.stage})"
  role          = aws_iam_role.function.arn
  runtime       = "python3.13" # AWS keeps it until June 2029
  handler       = "lambda_function.lambda_handler"
  architectures = ["arm64"] # a fifth cheaper than x86_64, and no slower
  memory_size   = var.memory_mb
  timeout       = 29 # a report may take long; the gateway would wait for 30

  filename         = var.zip
  source_code_hash = filebase64sha256(var.zip)
  publish          = true # each change of code or settings is a version, and stays one to go back to

  environment {
    # What only the stack knows. Every other setting has a good default.
    variables = merge(local.chosen, {
      TABLE_NAME   = aws_dynamodb_table.counter.name
      COUNTER_ID   = var.counter_id
      SALT         = aws_ssm_parameter.salt.value
      REPORT_TOKEN = aws_ssm_parameter.report_token.value
      TOPIC_ARN    = aws_sns_topic.report.arn
    })
  }

  # Without its rights it would fail, and it would make its own log group, which is kept forever.
  depends_on = [aws_iam_role_policy.function, aws_cloudwatch_log_group.function]

  lifecycle {
    # Terraform compares with its own last upload, and does not see what was shipped since. Without this, a change of
    # settings would make code live that the pipeline shipped and then rolled back.
    postcondition {
      # The number of a version that is not made yet is unknown, so this is checked after it is: the plan has the old hash.
      condition     = var.live_version != "" || self.version == "" || self.code_sha256 == filebase64sha256(var.zip)
      error_message = "The newest code at AWS is not ${var.zip}: other code was shipped since. Visitors still get the version from before. Update your archive, or use the pipeline's; ship it (clouds/aws/ship ${local.name} build/aws.zip) and apply again. Or fix a version with live_version."
    }
  }
}

# The gateway and the schedule call this. Promoting points it at a new version, rolling back at an old one.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What visitors get"
  function_name    = aws_lambda_function.counter.function_name
  function_version = var.live_version == "" ? aws_lambda_function.counter.version : var.live_version
}
