# What visitors call: an HTTP API, or a REST API for pages and tests that expect one. No CORS in either: the function
# answers it, and a browser refuses two Access-Control-Allow-Origin.
locals {
  http = var.gateway == "http" ? 1 : 0
  rest = var.gateway == "rest" ? 1 : 0

  # Exactly what the function answers. Every route has OPTIONS: a browser asks before it sends the owner's token.
  contract = {
    "/counter"            = ["GET", "HEAD", "POST", "OPTIONS"]
    "/badge.svg"          = ["GET", "HEAD", "OPTIONS"]
    "/health"             = ["GET", "HEAD", "OPTIONS"]
    "/stats"              = ["GET", "HEAD", "OPTIONS"]
    "/report"             = ["GET", "POST", "OPTIONS"]
    "/visitor-counter.js" = ["GET", "HEAD", "OPTIONS"]
    "/busuanzi.js"        = ["GET", "HEAD", "OPTIONS"]
    "/owner"              = ["GET", "HEAD", "OPTIONS"]
  }

  # Other names for /counter, for pages of older counters. "" is the bare address.
  names = [for name in split(",", lookup(local.chosen, "COUNTER_PATHS", "HttpVisitor, visitor-counter")) : trimprefix(trimspace(name), "/")]

  host = var.domain != "" ? "https://${var.domain}" : one(aws_apigatewayv2_api.counter[*].api_endpoint)
  url  = local.host != null ? "${local.host}/v1" : one(aws_api_gateway_stage.v1[*].invoke_url)
}

# An HTTP API: a third of a REST API's price.
resource "aws_apigatewayv2_api" "counter" {
  count = local.http

  name          = local.name
  description   = "Visitor counter (${var.stage})"
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_integration" "function" {
  count = local.http

  api_id                 = aws_apigatewayv2_api.counter[0].id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0"
}

locals {
  # Everything is below /v1. The five older addresses at the root, and the names of older counters, still work.
  # The bare address is $default, which gets what no other route takes: /, /v1 and /v1/.
  older  = ["/counter", "/badge.svg", "/health", "/stats", "/report"]
  routes = flatten([for path in local.older : [for method in local.contract[path] : "${method} ${path}"]])
  named  = [for name in local.names : name == "" ? "$default" : "ANY /${name}"]
}

resource "aws_apigatewayv2_route" "contract" {
  #checkov:skip=CKV_AWS_309:Visitors do not sign in; /stats and /report ask for the owner's token themselves.
  for_each = local.http == 0 ? [] : toset(concat(["ANY /v1/{proxy+}"], local.named, local.routes))

  api_id    = aws_apigatewayv2_api.counter[0].id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.function[0].id}"
}

# $default is the stage without a name in the address.
resource "aws_apigatewayv2_stage" "live" {
  #checkov:skip=CKV_AWS_76:An access log would hold addresses, browsers and visitor ids, which the counter never keeps.
  #checkov:skip=CKV2_AWS_51:Visitors have no certificates.
  count = local.http

  api_id      = aws_apigatewayv2_api.counter[0].id
  name        = "$default"
  auto_deploy = true

  # For all visitors together: an HTTP API has no limit per address. This bounds the bill.
  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second * 2
  }
}

resource "aws_lambda_permission" "gateway" {
  count = local.http

  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.counter.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.counter[0].execution_arn}/*/*"
}

# A domain of your own, for either gateway. The domain must point to the output domain_target.
resource "aws_apigatewayv2_domain_name" "own" {
  count = var.domain == "" ? 0 : 1

  domain_name = var.domain

  domain_name_configuration {
    certificate_arn = var.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }

  lifecycle {
    precondition {
      condition     = var.certificate_arn != ""
      error_message = "domain needs certificate_arn: a certificate for ${var.domain} in AWS Certificate Manager, in this region."
    }
  }
}

resource "aws_apigatewayv2_api_mapping" "own" {
  count = var.domain == "" ? 0 : 1

  domain_name     = aws_apigatewayv2_domain_name.own[0].id
  api_id          = coalesce(one(aws_apigatewayv2_api.counter[*].id), one(aws_api_gateway_rest_api.counter[*].id))
  stage           = coalesce(one(aws_apigatewayv2_stage.live[*].name), one(aws_api_gateway_stage.v1[*].stage_name))
  api_mapping_key = local.rest == 1 ? "v1" : null # an HTTP API has /v1 in its routes
}
