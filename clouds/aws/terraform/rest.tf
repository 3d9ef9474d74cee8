# gateway = "rest": a REST API, which answers 403 to unknown addresses, and can require an API key.
locals {
  rest_paths = merge(local.contract, { for name in local.names : "/${name}" => local.contract["/counter"] })

  rest_body = {
    openapi = "3.0.1"
    info    = { title = local.name, version = "1" }

    components = {
      securitySchemes = { key = { type = "apiKey", name = "x-api-key", in = "header" } }
    }

    paths = {
      for path, methods in local.rest_paths : path => {
        for method in methods : lower(method) => {
          responses = {}
          # A browser's preflight has no key.
          security = var.api_key && method != "OPTIONS" ? [{ key = [] }] : []

          x-amazon-apigateway-integration = {
            type       = "aws_proxy"
            httpMethod = "POST"
            uri        = aws_lambda_alias.live.invoke_arn
          }
        }
      }
    }
  }
}

resource "aws_api_gateway_rest_api" "counter" {
  count = local.rest

  name        = local.name
  description = "Visitor counter (${var.stage})"
  body        = jsonencode(local.rest_body)

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_deployment" "counter" {
  count = local.rest

  rest_api_id = aws_api_gateway_rest_api.counter[0].id
  triggers    = { body = sha256(jsonencode(local.rest_body)) }

  lifecycle {
    create_before_destroy = true
  }
}

# A REST API's address contains the stage's name, so this stage is called v1.
resource "aws_api_gateway_stage" "v1" {
  #checkov:skip=CKV_AWS_73:X-Ray would store the addresses that were called.
  #checkov:skip=CKV_AWS_76:An access log would hold addresses, browsers and visitor ids, which the counter never keeps.
  #checkov:skip=CKV_AWS_120:Each visit changes the answer.
  #checkov:skip=CKV2_AWS_4:The same as for the access log.
  #checkov:skip=CKV2_AWS_29:A firewall costs five dollars a month; the limit below bounds the bill.
  #checkov:skip=CKV2_AWS_51:Visitors have no certificates.
  count = local.rest

  rest_api_id   = aws_api_gateway_rest_api.counter[0].id
  deployment_id = aws_api_gateway_deployment.counter[0].id
  stage_name    = "v1"
}

resource "aws_api_gateway_method_settings" "all" {
  #checkov:skip=CKV_AWS_225:Each visit changes the answer.
  #checkov:skip=CKV_AWS_308:The same.
  count = local.rest

  rest_api_id = aws_api_gateway_rest_api.counter[0].id
  stage_name  = aws_api_gateway_stage.v1[0].stage_name
  method_path = "*/*"

  settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second * 2
  }
}

resource "aws_lambda_permission" "rest" {
  count = local.rest

  statement_id  = "rest"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.counter.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.counter[0].execution_arn}/*/*"
}

resource "aws_api_gateway_api_key" "pages" {
  count = var.api_key ? local.rest : 0

  name        = local.name
  description = "What pages send as X-Api-Key. It is in every page, so it is a label and no secret."
}

resource "aws_api_gateway_usage_plan" "pages" {
  count = local.rest

  name        = local.name
  description = "What one API key may do"

  api_stages {
    api_id = aws_api_gateway_rest_api.counter[0].id
    stage  = aws_api_gateway_stage.v1[0].stage_name
  }

  throttle_settings {
    rate_limit  = var.requests_per_second
    burst_limit = var.requests_per_second * 2
  }
}

resource "aws_api_gateway_usage_plan_key" "pages" {
  count = var.api_key ? local.rest : 0

  usage_plan_id = aws_api_gateway_usage_plan.pages[0].id
  key_id        = aws_api_gateway_api_key.pages[0].id
  key_type      = "API_KEY"
}
