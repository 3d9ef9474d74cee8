# Plans against a made-up AWS: no account, nothing is built. Needs Terraform 1.11, which makes up values at plan time.

mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_lambda_function" {
    defaults = {
      version     = "7"
      arn         = "arn:aws:lambda:eu-central-1:123456789012:function:visitor-counter-blue"
      code_sha256 = "ryPzkA/SvQKP43s6qxHbKROvn7C+j0S5SpdrXuqn8Mo=" # of tests/archive.txt
    }
  }
  mock_resource "aws_lambda_alias" {
    defaults = {
      arn        = "arn:aws:lambda:eu-central-1:123456789012:function:visitor-counter-blue:live"
      invoke_arn = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:123456789012:function:visitor-counter-blue:live/invocations"
    }
  }
  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "abc"
      api_endpoint  = "https://abc.execute-api.eu-central-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:abc"
    }
  }
  mock_resource "aws_api_gateway_rest_api" {
    defaults = {
      id            = "def"
      execution_arn = "arn:aws:execute-api:eu-central-1:123456789012:def"
    }
  }
  mock_resource "aws_api_gateway_stage" {
    defaults = { invoke_url = "https://def.execute-api.eu-central-1.amazonaws.com/v1" }
  }
  mock_resource "aws_apigatewayv2_domain_name" {
    defaults = { id = "count.example.com" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/made" }
  }
  mock_resource "aws_ssm_parameter" {
    defaults = { arn = "arn:aws:ssm:eu-central-1:123456789012:parameter/made" }
  }
  mock_resource "aws_dynamodb_table" {
    defaults = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/visitor-counter-blue" }
  }
}

override_resource {
  target          = aws_sns_topic.report
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:report" }
}

override_resource {
  target          = aws_sns_topic.alarms
  override_during = plan
  values          = { arn = "arn:aws:sns:eu-central-1:123456789012:alarms" }
}

variables {
  region = "eu-central-1"
  email  = "you@example.com"
  zip    = "./tests/archive.txt" # any file will do: nothing is sent
}

run "defaults" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.counter.billing_mode == "PAY_PER_REQUEST" && aws_dynamodb_table.counter.hash_key == "counter_id"
    error_message = "The table is not the one that the function knows, or is paid for while nobody comes."
  }
  assert {
    condition     = !aws_dynamodb_table.counter.ttl[0].enabled
    error_message = "DynamoDB may delete the counter."
  }
  assert {
    condition     = length(aws_api_gateway_rest_api.counter) + length(aws_apigatewayv2_domain_name.own) == 0
    error_message = "There is a gateway or a domain that nobody asked for."
  }
  assert {
    condition     = aws_dynamodb_table.counter.deletion_protection_enabled && aws_dynamodb_table.counter.point_in_time_recovery[0].enabled
    error_message = "The numbers can be lost."
  }
  assert {
    condition = (
      aws_lambda_function.counter.runtime == "python3.13" && aws_lambda_function.counter.architectures == tolist(["arm64"]) &&
      aws_lambda_function.counter.handler == "lambda_function.lambda_handler" && aws_lambda_function.counter.timeout == 29 &&
      aws_lambda_function.counter.memory_size == 512
    )
    error_message = "The function has another form than its archive is made for, or another size."
  }
  assert {
    condition     = toset(keys(aws_lambda_function.counter.environment[0].variables)) == toset(["TABLE_NAME", "COUNTER_ID", "SALT", "REPORT_TOKEN", "TOPIC_ARN", "ALLOWED_ORIGINS", "COUNT_ON", "TIMEZONE"])
    error_message = "The function is told something else, or a setting without a value is handed on."
  }
  assert {
    condition     = aws_lambda_function.counter.environment[0].variables["TOPIC_ARN"] == aws_sns_topic.report.arn && aws_lambda_function.counter.environment[0].variables["TABLE_NAME"] == "visitor-counter-blue"
    error_message = "The report goes to another topic, or the visits to another table."
  }
  assert {
    condition     = aws_lambda_function.counter.publish && aws_lambda_alias.live.function_version == "7"
    error_message = "The newest version is not live."
  }
  assert {
    condition     = coalesce(aws_lambda_function.counter.reserved_concurrent_executions, -1) == -1
    error_message = "A new account, which may run ten at once, cannot have this function."
  }
  assert {
    condition = toset(keys(aws_apigatewayv2_route.contract)) == toset([
      "GET /counter", "HEAD /counter", "POST /counter", "OPTIONS /counter",
      "GET /badge.svg", "HEAD /badge.svg", "OPTIONS /badge.svg",
      "GET /health", "HEAD /health", "OPTIONS /health",
      "GET /stats", "HEAD /stats", "OPTIONS /stats",
      "GET /report", "POST /report", "OPTIONS /report",
      "ANY /v1/{proxy+}", "ANY /HttpVisitor", "ANY /visitor-counter",
    ])
    error_message = "The routes are not the contract."
  }
  assert {
    condition     = aws_apigatewayv2_integration.function[0].payload_format_version == "2.0" && aws_apigatewayv2_integration.function[0].integration_uri == aws_lambda_alias.live.invoke_arn && aws_lambda_permission.gateway[0].qualifier == "live"
    error_message = "The gateway calls something else than what is live."
  }
  assert {
    condition     = aws_lambda_permission.gateway[0].source_arn == "arn:aws:execute-api:eu-central-1:123456789012:abc/*/*"
    error_message = "Other gateways may call the function."
  }
  assert {
    condition     = length(aws_apigatewayv2_api.counter[0].cors_configuration) == 0 && length(aws_apigatewayv2_stage.live[0].access_log_settings) == 0
    error_message = "The gateway answers CORS, which the function does, or keeps visitors' addresses."
  }
  assert {
    condition     = aws_apigatewayv2_stage.live[0].default_route_settings[0].throttling_rate_limit == 50 && aws_apigatewayv2_stage.live[0].default_route_settings[0].throttling_burst_limit == 100
    error_message = "Nothing bounds the bill."
  }
  assert {
    condition     = aws_sns_topic_subscription.report.endpoint == "you@example.com" && aws_sns_topic_subscription.alarms.endpoint == "you@example.com"
    error_message = "The owner is not subscribed."
  }
  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.trouble)) == toset(["errors", "throttles", "gateway", "table"])
    error_message = "Something can go wrong unseen."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.trouble : alarm.alarm_actions == toset([aws_sns_topic.alarms.arn]) && alarm.treat_missing_data == "notBreaching"])
    error_message = "An alarm goes elsewhere, or off when nobody comes."
  }
  assert {
    condition     = aws_cloudwatch_log_group.function.name == "/aws/lambda/${aws_lambda_function.counter.function_name}" && aws_cloudwatch_log_group.function.retention_in_days == 30
    error_message = "It is not the function's log, or it is kept for another time."
  }
  assert {
    condition = (
      aws_scheduler_schedule.report[0].schedule_expression == "cron(0 6 * * ? *)" && aws_scheduler_schedule.report[0].schedule_expression_timezone == "UTC" &&
      aws_scheduler_schedule.report[0].target[0].arn == aws_lambda_alias.live.arn && jsondecode(aws_scheduler_schedule.report[0].target[0].input) == { path = "/report" }
    )
    error_message = "The schedule does not ask what is live for its report."
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.schedule[0].policy).Statement[0].Action == "lambda:InvokeFunction" && jsondecode(aws_iam_role_policy.schedule[0].policy).Statement[0].Resource == aws_lambda_alias.live.arn
    error_message = "The schedule may do more than call what is live."
  }
  assert {
    condition     = alltrue([for action in flatten(data.aws_iam_policy_document.function.statement[*].actions[*]) : !strcontains(action, "*")])
    error_message = "The function may do more than named actions."
  }
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.function.statement : flatten(statement.condition[*].values) == ["counter.journal/*"]
      if length(setintersection(statement.actions, ["dynamodb:PutItem", "dynamodb:BatchWriteItem", "dynamodb:DeleteItem"])) > 0
    ])
    error_message = "The function may put or delete more than the journal's entries."
  }
  assert {
    condition     = one(aws_budgets_budget.month).limit_amount == "1"
    error_message = "Nobody is told before money is spent."
  }
  assert {
    condition     = length(aws_iam_role.pipeline) + length(aws_iam_role.plan) + length(aws_iam_openid_connect_provider.github) == 0
    error_message = "Somebody outside may sign in, whom nobody asked for."
  }
  assert {
    condition     = output.url == "https://abc.execute-api.eu-central-1.amazonaws.com/v1" && strcontains(output.snippet, "src=\"${output.url}/visitor-counter.js\"")
    error_message = "The address or the snippet is wrong."
  }
}

run "gone_back" {
  command = plan

  variables {
    live_version = "6"
  }

  assert {
    condition     = aws_lambda_alias.live.function_version == "6"
    error_message = "An apply makes the newest version live, whatever was asked for."
  }
}

run "other_code_was_shipped" {
  command = plan

  variables {
    zip = "./versions.tf"
  }

  # What the newest version holds is not known to be good.
  expect_failures = [aws_lambda_function.counter]
}

run "settings_of_ones_own" {
  command = plan

  variables {
    allowed_origins     = "https://example.com, https://www.example.com:8443,http://[::1]:8080"
    site_name           = "My site"
    timezone            = "America/Argentina/Buenos_Aires"
    count_on            = "POST"
    table_name          = "old-counter"
    counter_id          = "visitors"
    report_hour         = 5
    budget_usd          = 0
    deletion_protection = false
  }

  assert {
    condition = (
      aws_lambda_function.counter.environment[0].variables["SITE_NAME"] == "My site" && aws_lambda_function.counter.environment[0].variables["COUNT_ON"] == "POST" &&
      aws_lambda_function.counter.environment[0].variables["TIMEZONE"] == "America/Argentina/Buenos_Aires" && aws_lambda_function.counter.environment[0].variables["COUNTER_ID"] == "visitors"
    )
    error_message = "A setting did not arrive."
  }
  assert {
    condition     = aws_dynamodb_table.counter.name == "old-counter" && !aws_dynamodb_table.counter.deletion_protection_enabled && length(aws_budgets_budget.month) == 0
    error_message = "A wish about the table or the budget was not heard."
  }
  assert {
    condition     = contains(flatten([for statement in data.aws_iam_policy_document.function.statement : statement.condition[*].values]), "visitors.journal/*")
    error_message = "The function may not touch the journal of its own counter."
  }
  assert {
    condition     = aws_scheduler_schedule.report[0].schedule_expression == "cron(0 5 * * ? *)" && aws_scheduler_schedule.report[0].schedule_expression_timezone == "America/Argentina/Buenos_Aires"
    error_message = "The report does not come by the owner's clock."
  }
}

run "without_a_schedule" {
  command = plan

  variables {
    schedule_report = false
  }

  assert {
    condition     = length(aws_scheduler_schedule.report) + length(aws_iam_role.schedule) + length(aws_iam_role_policy.schedule) == 0
    error_message = "There is a schedule that nobody asked for, or its role."
  }
}

run "pipeline" {
  command = plan

  variables {
    github_repository = "owner@123/repository@456"
    state_bucket      = "my-state"
  }

  assert {
    condition = alltrue([
      for name, document in data.aws_iam_policy_document.github :
      length(document.statement) == 1 && toset(flatten([for condition in document.statement[0].condition : [for value in condition.values : "${condition.test} ${condition.variable} ${value}"]])) == toset([
        "StringEquals token.actions.githubusercontent.com:aud sts.amazonaws.com",
        "StringEquals token.actions.githubusercontent.com:sub repo:owner@123/repository@456:environment:${name}",
      ])
    ])
    error_message = "Another repository, or another environment, may sign in."
  }
  assert {
    condition     = toset(keys(data.aws_iam_policy_document.github)) == toset(["aws-blue", "aws-plan"])
    error_message = "The environments are not this stage's."
  }
  assert {
    condition = alltrue([
      for statement in data.aws_iam_policy_document.pipeline.statement :
      alltrue([for action in statement.actions : startswith(action, "lambda:") && !strcontains(action, "*")]) &&
      alltrue([for resource in statement.resources : startswith(resource, "arn:aws:lambda:eu-central-1:123456789012:function:visitor-counter-blue")])
    ])
    error_message = "The pipeline may do more than ship to this function."
  }
  assert {
    condition     = length(setintersection(data.aws_iam_policy_document.pipeline.statement[0].actions, ["lambda:UpdateFunctionConfiguration", "lambda:AddPermission", "iam:PassRole"])) == 0
    error_message = "The pipeline may change settings or rights."
  }
  assert {
    condition = { for statement in data.aws_iam_policy_document.plan.statement : one(statement.actions) => one(statement.resources) } == {
      "s3:GetObject"  = "arn:aws:s3:::my-state/env:/blue/visitor-counter.tfstate"
      "s3:ListBucket" = "arn:aws:s3:::my-state"
    }
    error_message = "A pull request may do more than read this stage's state."
  }
}

run "second_stage" {
  command = plan

  variables {
    stage                    = "green"
    github_repository        = "owner/repository"
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(aws_iam_openid_connect_provider.github) == 0 && length(aws_iam_role.pipeline) == 1 && length(aws_iam_role.plan) == 0
    error_message = "GitHub is trusted twice, or the stage has no role for its pipeline."
  }
  assert {
    condition = alltrue([
      for name in [
        aws_dynamodb_table.counter.name, aws_lambda_function.counter.function_name, aws_apigatewayv2_api.counter[0].name, aws_sns_topic.report.name,
        aws_sns_topic.alarms.name, aws_iam_role.function.name, aws_iam_role.schedule[0].name, aws_iam_role.pipeline[0].name, aws_ssm_parameter.salt.name,
        aws_ssm_parameter.report_token.name, aws_cloudwatch_log_group.function.name, aws_scheduler_schedule.report[0].name, aws_budgets_budget.month[0].name,
      ] : strcontains(name, "green")
    ])
    error_message = "Two stages share a name, and with it a number."
  }
}

run "any_setting" {
  command = plan

  variables {
    settings = { COUNT_ON = "POST", TIMEZONE = "Europe/Berlin", COUNTER_PATHS = "ResumeSiteCounter, /", TABLE_KEY = "SiteName", EMPTY = "" }
  }

  assert {
    condition = { for name, value in aws_lambda_function.counter.environment[0].variables : name => value if contains(["COUNT_ON", "TIMEZONE", "TABLE_KEY", "EMPTY"], name) } == {
      COUNT_ON  = "POST"
      TABLE_KEY = "SiteName"
      TIMEZONE  = "Europe/Berlin"
    }
    error_message = "A setting did not arrive, or one without a value did."
  }
  assert {
    condition     = aws_dynamodb_table.counter.hash_key == "SiteName" && one(aws_dynamodb_table.counter.attribute).name == "SiteName"
    error_message = "The table has another key than the function."
  }
  assert {
    condition     = length(setintersection(keys(aws_apigatewayv2_route.contract), ["ANY /ResumeSiteCounter", "$default", "ANY /HttpVisitor"])) == 2
    error_message = "A further name of /counter is no route, or one that nobody wants is."
  }
}

run "a_rest_gateway" {
  command = plan

  variables {
    gateway = "rest"
    api_key = true
  }

  assert {
    condition     = length(aws_apigatewayv2_api.counter) + length(aws_apigatewayv2_route.contract) == 0
    error_message = "There are two gateways."
  }
  assert {
    condition = { for path, methods in jsondecode(aws_api_gateway_rest_api.counter[0].body).paths : path => toset(keys(methods)) } == {
      "/counter"            = toset(["get", "head", "post", "options"])
      "/badge.svg"          = toset(["get", "head", "options"])
      "/health"             = toset(["get", "head", "options"])
      "/stats"              = toset(["get", "head", "options"])
      "/report"             = toset(["get", "post", "options"])
      "/visitor-counter.js" = toset(["get", "head", "options"])
      "/busuanzi.js"        = toset(["get", "head", "options"])
      "/owner"              = toset(["get", "head", "options"])
      "/HttpVisitor"        = toset(["get", "head", "post", "options"])
      "/visitor-counter"    = toset(["get", "head", "post", "options"])
    }
    error_message = "The routes are not the contract."
  }
  assert {
    condition = alltrue(flatten([
      for path, methods in jsondecode(aws_api_gateway_rest_api.counter[0].body).paths : [
        for method, operation in methods :
        (length(operation.security) == 1) == (method != "options") &&
        operation["x-amazon-apigateway-integration"].uri == aws_lambda_alias.live.invoke_arn &&
        operation["x-amazon-apigateway-integration"].type == "aws_proxy"
      ]
    ]))
    error_message = "A route needs no key, or a preflight needs one, or something else than what is live is called."
  }
  assert {
    condition     = aws_lambda_permission.rest[0].source_arn == "arn:aws:execute-api:eu-central-1:123456789012:def/*/*" && aws_lambda_permission.rest[0].qualifier == "live"
    error_message = "The gateway may not call what is live."
  }
  assert {
    condition     = aws_api_gateway_method_settings.all[0].settings[0].throttling_rate_limit == 50 && one(one(aws_api_gateway_usage_plan.pages).throttle_settings).rate_limit == 50
    error_message = "Nothing bounds the bill."
  }
  assert {
    condition     = length(aws_api_gateway_api_key.pages) == 1 && length(aws_api_gateway_usage_plan_key.pages) == 1
    error_message = "There is no key, or it opens nothing."
  }
  assert {
    condition     = output.url == "https://def.execute-api.eu-central-1.amazonaws.com/v1" && aws_cloudwatch_metric_alarm.trouble["gateway"].metric_name == "5XXError"
    error_message = "The address is wrong, or the alarm looks at another gateway."
  }
}

run "a_rest_gateway_without_a_key" {
  command = plan

  variables {
    gateway = "rest"
  }

  assert {
    condition     = alltrue(flatten([for methods in values(jsondecode(aws_api_gateway_rest_api.counter[0].body).paths) : [for operation in values(methods) : length(operation.security) == 0]])) && length(aws_api_gateway_api_key.pages) == 0
    error_message = "A key is needed that nobody asked for."
  }
}

run "a_domain" {
  command = plan

  variables {
    domain          = "count.example.com"
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/made-up"
  }

  assert {
    condition     = output.url == "https://count.example.com/v1" && aws_apigatewayv2_api_mapping.own[0].api_id == "abc" && aws_apigatewayv2_api_mapping.own[0].stage == "$default"
    error_message = "The domain does not lead to the counter."
  }
}

run "a_domain_before_a_rest_gateway" {
  command = plan

  variables {
    gateway         = "rest"
    domain          = "count.example.com"
    certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/made-up"
  }

  assert {
    condition     = output.url == "https://count.example.com/v1" && aws_apigatewayv2_api_mapping.own[0].api_id == "def" && aws_apigatewayv2_api_mapping.own[0].api_mapping_key == "v1"
    error_message = "The domain does not lead to the counter."
  }
}
