# Who may do what. The README's table maps each call in the code to its permission here; a test compares them.
resource "oci_identity_dynamic_group" "function" {
  count    = local.with_function
  provider = oci.home

  compartment_id = var.tenancy_ocid
  name           = local.name
  description    = "The visitor counter's function (${var.stage})"
  matching_rule  = "ALL {resource.type = 'fnfunc', resource.id = '${oci_functions_function.counter[0].id}'}"
}

resource "oci_identity_policy" "function" {
  count    = local.with_function
  provider = oci.home

  compartment_id = var.compartment_ocid
  name           = "${local.name}-function"
  description    = "The visitor counter (${var.stage}) keeps its document and publishes its report, and that is all"

  # `manage` is only the verb that includes these permissions; the conditions allow just the ones they name.
  statements = [
    # The document: read and written, never deleted.
    "Allow dynamic-group ${oci_identity_dynamic_group.function[0].name} to manage objects in compartment id ${var.compartment_ocid} where all {target.bucket.name = '${local.bucket}', target.object.name = '${var.object}', any {request.permission = 'OBJECT_READ', request.permission = 'OBJECT_CREATE', request.permission = 'OBJECT_OVERWRITE'}}",
    # The journal's entries, which are empty. OVERWRITE, so that an entry sent twice is answered 412, not "not found".
    "Allow dynamic-group ${oci_identity_dynamic_group.function[0].name} to manage objects in compartment id ${var.compartment_ocid} where all {target.bucket.name = '${local.bucket}', target.object.name = '${var.object}.journal/*', any {request.permission = 'OBJECT_CREATE', request.permission = 'OBJECT_OVERWRITE', request.permission = 'OBJECT_DELETE'}}",
    # A copy of the document for each day of the week, made by the report, to restore from.
    "Allow dynamic-group ${oci_identity_dynamic_group.function[0].name} to manage objects in compartment id ${var.compartment_ocid} where all {target.bucket.name = '${local.bucket}', target.object.name = '${var.object}.copies/*', any {request.permission = 'OBJECT_READ', request.permission = 'OBJECT_CREATE', request.permission = 'OBJECT_OVERWRITE'}}",
    # Listing the journal. A listing names no object, so it can only be limited to the bucket.
    "Allow dynamic-group ${oci_identity_dynamic_group.function[0].name} to inspect objects in compartment id ${var.compartment_ocid} where all {target.bucket.name = '${local.bucket}', request.permission = 'OBJECT_INSPECT'}",
    # The report: publish, but not subscribe.
    "Allow dynamic-group ${oci_identity_dynamic_group.function[0].name} to use ons-topics in compartment id ${var.compartment_ocid} where request.permission = 'ONS_TOPIC_PUBLISH'",
  ]
}

# Gateways of this compartment may call the functions of this compartment: Oracle's own wording.
resource "oci_identity_policy" "gateway" {
  provider = oci.home

  compartment_id = var.compartment_ocid
  name           = "${local.name}-gateway"
  description    = "The API gateway may call the visitor counter (${var.stage})"

  statements = [
    "Allow any-user to use functions-family in compartment id ${var.compartment_ocid} where all {request.principal.type = 'ApiGateway', request.resource.compartment.id = '${var.compartment_ocid}'}",
  ]
}

resource "oci_identity_policy" "schedule" {
  count    = length(oci_resource_scheduler_schedule.report)
  provider = oci.home

  compartment_id = var.compartment_ocid
  name           = "${local.name}-schedule"
  description    = "The schedule may call the visitor counter (${var.stage})"

  statements = [
    "Allow any-user to read fn-function in compartment id ${var.compartment_ocid} where all {request.principal.type = 'resourceschedule', request.principal.id = '${oci_resource_scheduler_schedule.report[0].id}'}",
    "Allow any-user to use fn-invocation in compartment id ${var.compartment_ocid} where all {request.principal.type = 'resourceschedule', request.principal.id = '${oci_resource_scheduler_schedule.report[0].id}'}",
  ]
}
