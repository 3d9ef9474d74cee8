resource "oci_apigateway_gateway" "counter" {
  compartment_id = var.compartment_ocid
  display_name   = local.name
  endpoint_type  = "PUBLIC"
  subnet_id      = local.subnet_id
}

locals {
  # The address names any stage other than production, so that no page uses one by mistake.
  prefix = var.path_prefix != "" ? var.path_prefix : var.stage == "production" ? "/v1" : "/${var.stage}/v1"
  url    = "https://${oci_apigateway_gateway.counter.hostname}${trimsuffix(local.prefix, "/")}"

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

  # Other names for /counter, for pages of older counters.
  names  = [for name in split(",", lookup(local.chosen, "COUNTER_PATHS", "HttpVisitor, visitor-counter")) : trimprefix(trimspace(name), "/")]
  routes = merge(local.contract, { for name in local.names : "/${name}" => local.contract["/counter"] })
}

resource "oci_apigateway_deployment" "counter" {
  count = local.with_function

  compartment_id = var.compartment_ocid
  gateway_id     = oci_apigateway_gateway.counter.id
  display_name   = local.name
  path_prefix    = local.prefix

  specification {
    # No CORS here: the function answers it, and a browser refuses two Access-Control-Allow-Origin.
    request_policies {
      rate_limiting {
        rate_key                    = "CLIENT_IP"
        rate_in_requests_per_second = var.requests_per_second
      }
    }

    # The level of the execution log in logging.tf; below it a line may contain a visitor's address.
    logging_policies {
      execution_log {
        is_enabled = true
        log_level  = "ERROR"
      }
    }

    dynamic "routes" {
      for_each = local.routes

      content {
        path    = routes.key
        methods = routes.value

        backend {
          type        = "ORACLE_FUNCTIONS_BACKEND"
          function_id = oci_functions_function.counter[0].id
        }
      }
    }
  }

  # The gateway checks that it may call the function.
  depends_on = [oci_identity_policy.gateway]
}
