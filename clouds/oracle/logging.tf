resource "oci_logging_log_group" "counter" {
  compartment_id = var.compartment_ocid
  display_name   = local.name
}

# The function's log. It has nothing about visitors, see privacy.py.
resource "oci_logging_log" "function" {
  display_name       = "${local.name}-function"
  log_group_id       = oci_logging_log_group.counter.id
  log_type           = "SERVICE"
  is_enabled         = true
  retention_duration = var.log_retention_days

  configuration {
    compartment_id = var.compartment_ocid

    source {
      source_type = "OCISERVICE"
      service     = "functions"
      resource    = oci_functions_application.counter.id
      category    = "invoke"
    }
  }
}

# The gateway's errors, and its requests if they are wanted.
resource "oci_logging_log" "gateway" {
  for_each = local.with_function == 0 ? toset([]) : toset(var.gateway_access_log ? ["execution", "access"] : ["execution"])

  display_name       = "${local.name}-gateway-${each.key}"
  log_group_id       = oci_logging_log_group.counter.id
  log_type           = "SERVICE"
  is_enabled         = true
  retention_duration = var.log_retention_days

  configuration {
    compartment_id = var.compartment_ocid

    source {
      source_type = "OCISERVICE"
      service     = "apigateway"
      resource    = oci_apigateway_deployment.counter[0].id
      category    = each.key
    }
  }
}

locals {
  # Two alarms: the platform's own errors (no start, out of memory, too slow), and what visitors got. An error that the
  # function itself answers, like 503 while the storage is unavailable, is a normal answer for the platform.
  alarms = {
    function = {
      namespace = "oci_faas"
      query     = "FunctionResponseCount[5m]{applicationId = \"${oci_functions_application.counter.id}\", responseType = \"Error\"}.sum() > 0"
      body      = "The visitor counter (${var.stage}) failed to answer. Its log group ${local.name} says why."
    }
    gateway = {
      namespace = "oci_apigateway"
      query     = "HttpResponses[5m]{resourceId = \"${oci_apigateway_gateway.counter.id}\", httpStatusCategory = \"5xx\"}.sum() > 4"
      body      = "Visitors get errors from the visitor counter (${var.stage}). Ask ${local.url}/health, then look at log group ${local.name}."
    }
  }
}

resource "oci_monitoring_alarm" "errors" {
  for_each = local.alarms

  compartment_id        = var.compartment_ocid
  metric_compartment_id = var.compartment_ocid
  display_name          = "${local.name}-${each.key}-errors"
  namespace             = each.value.namespace
  query                 = each.value.query
  body                  = each.value.body
  severity              = "CRITICAL"
  is_enabled            = true
  destinations          = [local.topic]
  message_format        = "ONS_OPTIMIZED"
  pending_duration      = "PT1M"
}
