# The backend is the owner's choice: without one the state is a file in this folder; the README says how to keep it in
# Azure. The tests need Terraform 1.11: they make up the providers.
terraform {
  required_version = ">= 1.5.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = "~> 4.60" # older ones refuse fewer than 40 instances
    }
    random = {
      source  = "hashicorp/random"
      version = "~> 3.5"
    }
  }
}

# The sign-in comes from outside: `az login`, Cloud Shell, or GitHub's token in the pipeline.
provider "azurerm" {
  subscription_id = var.subscription_id

  features {
    # Otherwise Azure makes its own alert and group, which Terraform does not know and could not remove.
    application_insights {
      disable_generated_rule = true
    }

    # Nothing here reads the storage account's data, so whoever applies needs no right to it.
    storage {
      data_plane_available = false
    }
  }
}

data "azurerm_client_config" "here" {}

resource "azurerm_resource_group" "counter" {
  name     = local.name
  location = var.location
  tags     = local.tags
}

# Some names are addresses, and must be unique in all of Azure.
resource "random_string" "suffix" {
  length  = 6
  upper   = false
  special = false
}

locals {
  # Every name has the stage in it, so that two counters can exist in one subscription.
  name   = "visitor-counter-${var.stage}"
  unique = "counter-${var.stage}-${random_string.suffix.result}" # at most 30: the platform tells apps apart by 32

  tags = {
    project = "visitor-counter"
    stage   = var.stage
  }
}
