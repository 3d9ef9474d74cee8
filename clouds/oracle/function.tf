resource "oci_functions_application" "counter" {
  compartment_id = var.compartment_ocid
  display_name   = local.name
  subnet_ids     = [local.subnet_id]
  shape          = "GENERIC_X86" # what the image is built for
}

# The salt must live as long as counter.json: with a different one every visitor is new.
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
  report_token = var.report_token == "" ? random_password.report_token.result : var.report_token

  # The text of the form's one field, as a map: NAME=value, separated by semicolons or line breaks.
  typed = {
    for line in compact([for line in split(";", replace(var.more_settings, "\n", ";")) : trimspace(line)]) :
    trimspace(split("=", line)[0]) => trimspace(join("=", slice(split("=", line), 1, length(split("=", line)))))
  }

  # The owner's settings, without empty ones: Oracle may refuse a setting without a value.
  chosen = {
    for name, value in merge(
      {
        OBJECT          = var.object == "counter.json" ? "" : var.object
        ALLOWED_ORIGINS = var.allowed_origins
        SITE_NAME       = var.site_name
        TIMEZONE        = var.timezone
      },
      local.typed,
      var.settings,
    ) : name => value if value != ""
  }

  # And what only the stack knows. Every other setting has a good default.
  settings = merge(local.chosen, {
    NAMESPACE    = local.namespace
    BUCKET       = local.bucket
    SALT         = var.salt == "" ? random_password.salt.result : var.salt
    REPORT_TOKEN = local.report_token
    TOPIC_OCID   = local.topic
  })
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

  lifecycle {
    precondition {
      condition     = sum([for name, value in local.settings : length(name) + length(value)]) <= 4000
      error_message = "All settings together are longer than the 4 KB that Oracle gives a function. Shorten allowed_origins or settings."
    }
  }
}
