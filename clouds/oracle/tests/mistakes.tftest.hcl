# Each mistake is named before anything is built.

mock_provider "oci" {
  mock_data "oci_identity_regions" {
    defaults = { regions = [{ key = "FRA" }] }
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
  image            = "fra.ocir.io/mytenancy/visitor-counter-production:1"
}

run "an_email_without_a_domain" {
  command = plan

  variables {
    email = "you@example"
  }

  expect_failures = [var.email]
}

run "an_email_with_a_name" {
  command = plan

  variables {
    email = "You <you@example.com>"
  }

  expect_failures = [var.email]
}

run "two_emails" {
  command = plan

  variables {
    email = "you@example.com,me@example.com"
  }

  expect_failures = [var.email]
}

run "an_origin_with_a_path" {
  command = plan

  variables {
    allowed_origins = "https://example.com/"
  }

  expect_failures = [var.allowed_origins]
}

run "an_origin_without_a_scheme" {
  command = plan

  variables {
    allowed_origins = "example.com"
  }

  expect_failures = [var.allowed_origins]
}

run "everybody_and_somebody" {
  command = plan

  variables {
    allowed_origins = "*,https://example.com"
  }

  expect_failures = [var.allowed_origins]
}

run "no_origin" {
  command = plan

  variables {
    allowed_origins = ""
  }

  expect_failures = [var.allowed_origins]
}

run "origins_without_end" {
  command = plan

  variables {
    allowed_origins = join(",", [for number in range(200) : "https://example${number}.com"])
  }

  expect_failures = [var.allowed_origins]
}

run "a_stage_with_a_dash" {
  command = plan

  variables {
    stage = "my-stage"
  }

  expect_failures = [var.stage]
}

run "a_tenancy_by_name" {
  command = plan

  variables {
    tenancy_ocid = "mytenancy"
  }

  expect_failures = [var.tenancy_ocid]
}

run "a_compartment_by_name" {
  command = plan

  variables {
    compartment_ocid = "visitors"
  }

  expect_failures = [var.compartment_ocid]
}

run "a_region_by_its_city" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "a_timezone_by_its_city" {
  command = plan

  variables {
    timezone = "Berlin"
  }

  expect_failures = [var.timezone]
}

run "a_timezone_without_summer" {
  command = plan

  variables {
    timezone = "CET"
  }

  expect_failures = [var.timezone]
}

run "memory_of_no_size" {
  command = plan

  variables {
    memory_in_mbs = 300
  }

  expect_failures = [var.memory_in_mbs]
}

run "an_image_from_elsewhere" {
  command = plan

  variables {
    image = "docker.io/library/python:3.12"
  }

  expect_failures = [var.image]
}

run "an_image_without_a_tag" {
  command = plan

  variables {
    image = "fra.ocir.io/mytenancy/visitor-counter-production"
  }

  expect_failures = [var.image]
}

run "a_network_for_a_subnet" {
  command = plan

  variables {
    subnet_ocid = "ocid1.vcn.oc1..example"
  }

  expect_failures = [var.subnet_ocid]
}

run "a_week_of_logs" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "no_requests" {
  command = plan

  variables {
    requests_per_second = 0
  }

  expect_failures = [var.requests_per_second]
}

run "an_hour_that_is_none" {
  command = plan

  variables {
    report_hour_utc = 24
  }

  expect_failures = [var.report_hour_utc]
}

run "a_name_of_two_lines" {
  command = plan

  variables {
    site_name = "My\nsite"
  }

  expect_failures = [var.site_name]
}

run "a_salt_with_a_space" {
  command = plan

  variables {
    salt = " salt"
  }

  expect_failures = [var.salt]
}

run "a_setting_in_small_letters" {
  command = plan

  variables {
    settings = { count_on = "POST" }
  }

  expect_failures = [var.settings]
}

run "a_salt_among_the_settings" {
  command = plan

  variables {
    settings = { SALT = "salt" }
  }

  expect_failures = [var.settings]
}

run "a_bucket_among_the_settings" {
  command = plan

  variables {
    settings = { BUCKET = "mine" }
  }

  expect_failures = [var.settings]
}

run "a_setting_without_a_value" {
  command = plan

  variables {
    more_settings = "COUNT_ON"
  }

  expect_failures = [var.more_settings]
}

run "a_token_in_the_form_s_line" {
  command = plan

  variables {
    more_settings = "COUNT_ON=POST;REPORT_TOKEN=x"
  }

  expect_failures = [var.more_settings]
}

run "an_object_with_a_star" {
  command = plan

  variables {
    object = "counter*"
  }

  expect_failures = [var.object]
}

run "a_bucket_with_a_quote" {
  command = plan

  variables {
    bucket = "it's"
  }

  expect_failures = [var.bucket]
}

run "a_topic_by_name" {
  command = plan

  variables {
    topic_ocid = "visitors"
  }

  expect_failures = [var.topic_ocid]
}

run "a_prefix_without_a_slash" {
  command = plan

  variables {
    path_prefix = "v1"
  }

  expect_failures = [var.path_prefix]
}

run "a_prefix_with_a_slash_at_its_end" {
  command = plan

  variables {
    path_prefix = "/v1/"
  }

  expect_failures = [var.path_prefix]
}

run "a_short_token" {
  command = plan

  variables {
    report_token = "short"
  }

  expect_failures = [var.report_token]
}
