resource "oci_functions_application" "counter" {
  compartment_id = var.compartment_ocid
  display_name   = local.name
  subnet_ids     = [local.subnet_id]
  shape          = "GENERIC_X86" # what the image is built for
}

# The salt is as long-lived as counter.json: with another one every visitor is new.
resource "random_password" "salt" {
  length  = 48
  special = false

  lifecycle {
    prevent_destroy = true
    ignore_changes  = all
  }
}

resource "random_password" "report_token" {
  length  = 40
  special = false

  keepers = {
    version = var.report_token_version
  }
}

locals {
  # Only what cannot be known before: whatever else the function reads has a good default.
  settings = merge(
    {
      NAMESPACE       = local.namespace
      BUCKET          = oci_objectstorage_bucket.counter.name
      SALT            = var.salt == "" ? random_password.salt.result : var.salt
      REPORT_TOKEN    = random_password.report_token.result
      TOPIC_OCID      = oci_ons_notification_topic.counter.id
      ALLOWED_ORIGINS = var.allowed_origins
      TIMEZONE        = var.timezone
    },
    var.site_name == "" ? {} : { SITE_NAME = var.site_name }, # Oracle may refuse a setting without a value
  )
}

resource "oci_functions_function" "counter" {
  count = local.with_function

  application_id     = oci_functions_application.counter.id
  display_name       = "visitor-counter"
  image              = local.image
  image_digest       = local.image_digest
  memory_in_mbs      = var.memory_in_mbs
  timeout_in_seconds = 30
  config             = local.settings
}
