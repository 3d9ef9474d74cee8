# Resource Manager runs Terraform 1.5, so nothing newer is used here. The tests need 1.11, which can mock the providers.
terraform {
  required_version = ">= 1.5.0"

  required_providers {
    oci = {
      source  = "oracle/oci"
      version = ">= 6.37.0, < 9.0.0" # older ones cannot tell the scheduler what to ask for
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.5"
    }
  }
}

# The sign-in comes from outside: Resource Manager and Cloud Shell have one, elsewhere it is ~/.oci/config.
provider "oci" {
  tenancy_ocid = var.tenancy_ocid
  region       = var.region
}

# Groups and policies can only be written in the tenancy's home region.
provider "oci" {
  alias        = "home"
  tenancy_ocid = var.tenancy_ocid
  region       = local.home_region
}

data "oci_identity_region_subscriptions" "all" {
  tenancy_id = var.tenancy_ocid
}

locals {
  home_region = one([
    for region in data.oci_identity_region_subscriptions.all.region_subscriptions :
    region.region_name if region.is_home_region
  ])

  # Every name ends with the stage, so that two counters can exist in one compartment.
  name = "visitor-counter-${var.stage}"
}
