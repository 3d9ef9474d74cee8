# An HTTP API: a third of a REST API's price. No CORS here: the function answers it, and two Access-Control-Allow-Origin
# are one too many for a browser.
resource "aws_apigatewayv2_api" "counter" {
  name          = local.name
  description   = "Visitor counter (${var.stage})"
  protocol_type = "HTTP"
}

locals {
  # Exactly what api.py answers. OPTIONS is everywhere: a browser asks before it sends the owner's token.
  routes = {
    "/counter"   = ["GET", "HEAD", "POST", "OPTIONS"]
    "/badge.svg" = ["GET", "HEAD", "OPTIONS"]
    "/health"    = ["GET", "HEAD", "OPTIONS"]
    "/stats"     = ["GET", "HEAD", "OPTIONS"]
    "/report"    = ["GET", "POST", "OPTIONS"]
  }
}

resource "aws_apigatewayv2_integration" "function" {
  api_id                 = aws_apigatewayv2_api.counter.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "contract" {
  #checkov:skip=CKV_AWS_309:Visitors do not sign in; /stats and /report ask for the owner's token themselves.
  for_each = toset(flatten([for path, methods in local.routes : [for method in methods : "${method} ${path}"]]))

  api_id    = aws_apigatewayv2_api.counter.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.function.id}"
}

# $default is the stage that does not show in the address.
resource "aws_apigatewayv2_stage" "live" {
  #checkov:skip=CKV_AWS_76:An access log would hold addresses, browsers and visitor ids, which the counter never keeps.
  #checkov:skip=CKV2_AWS_51:Visitors have no certificates.
  api_id      = aws_apigatewayv2_api.counter.id
  name        = "$default"
  auto_deploy = true

  # For all visitors together: an HTTP API knows no limit for one address. It is what bounds the bill.
  default_route_settings {
    throttling_rate_limit  = var.requests_per_second
    throttling_burst_limit = var.requests_per_second * 2
  }
}

resource "aws_lambda_permission" "gateway" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.counter.function_name
  qualifier     = aws_lambda_alias.live.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.counter.execution_arn}/*/*"
}
