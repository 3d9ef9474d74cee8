# The backend is the owner's choice: without one the state is a file in this folder; the README says how to keep it in S3.
terraform {
  required_version = ">= 1.5.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# The sign-in comes from outside, as for the aws command: a profile, single sign-on, or a role.
provider "aws" {
  region = var.region

  default_tags {
    tags = {
      Project = "visitor-counter"
      Stage   = var.stage
    }
  }
}

data "aws_caller_identity" "here" {}

locals {
  # Every name ends with the stage, so that two counters can exist in one account.
  name    = "visitor-counter-${var.stage}"
  account = data.aws_caller_identity.here.account_id

  # By its name: a reference to the function itself would appear in the plan at each change of its code.
  function_arn = "arn:aws:lambda:${var.region}:${local.account}:function:${local.name}"
}
