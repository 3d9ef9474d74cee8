# Two stages in one account: every name differs, and neither may touch the other's things.

mock_provider "oci" {
  override_during = plan

  mock_data "oci_objectstorage_namespace" {
    defaults = { namespace = "mytenancy" }
  }
  mock_data "oci_identity_regions" {
    defaults = { regions = [{ key = "FRA" }] }
  }
  mock_data "oci_identity_region_subscriptions" {
    defaults = { region_subscriptions = [{ region_name = "eu-frankfurt-1", is_home_region = true }] }
  }
  mock_resource "oci_apigateway_gateway" {
    defaults = { hostname = "abc.apigateway.eu-frankfurt-1.oci.customer-oci.com" }
  }
}

mock_provider "oci" {
  alias = "home"
}

mock_provider "random" {}

variables {
  tenancy_ocid     = "ocid1.tenancy.oc1..example"
  compartment_ocid = "ocid1.compartment.oc1..example"
  region           = "eu-frankfurt-1"
  email            = "you@example.com"
  image            = "fra.ocir.io/mytenancy/shared:1"
}

run "production" {
  command = plan
}

run "staging" {
  command = plan

  variables {
    stage = "staging"
  }

  assert {
    condition     = oci_objectstorage_bucket.counter[0].name == "visitor-counter-staging" && run.production.bucket == "visitor-counter-production"
    error_message = "Two stages share a bucket."
  }
  assert {
    condition     = output.url == "https://abc.apigateway.eu-frankfurt-1.oci.customer-oci.com/staging/v1" && endswith(run.production.url, ".com/v1")
    error_message = "Staging does not show in its address."
  }
  assert {
    condition = length(setintersection(
      toset([
        oci_functions_application.counter.display_name, oci_artifacts_container_repository.counter.display_name,
        oci_ons_notification_topic.counter[0].name, oci_logging_log_group.counter.display_name,
        oci_identity_dynamic_group.function[0].name, oci_identity_policy.function[0].name, oci_identity_policy.gateway.name,
      ]),
      toset(["visitor-counter-production", "visitor-counter-production-function", "visitor-counter-production-gateway"]),
    )) == 0
    error_message = "Two stages share a name."
  }
  assert {
    condition     = !anytrue([for statement in oci_identity_policy.function[0].statements : strcontains(statement, "production")])
    error_message = "Staging may touch production's bucket."
  }
}
