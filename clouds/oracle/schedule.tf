# Oracle's own scheduler, instead of the GitHub workflow. It calls the function directly, signed by Oracle: no token, no
# gateway, and the path is in the body.
resource "oci_resource_scheduler_schedule" "report" {
  count = var.schedule_report ? local.with_function : 0

  compartment_id     = var.compartment_ocid
  display_name       = "${local.name}-report"
  description        = "Asks the visitor counter (${var.stage}) for its daily report"
  action             = "START_RESOURCE"
  recurrence_type    = "CRON"
  recurrence_details = "0 ${var.report_hour_utc} * * *"

  resources {
    id = oci_functions_function.counter[0].id

    parameters {
      parameter_type = "BODY"
      value          = [jsonencode({ path = "/report" })]
    }
  }
}
