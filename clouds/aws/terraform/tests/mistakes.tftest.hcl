# Each mistake is named before anything is built.

mock_provider "aws" {
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
}

variables {
  region = "eu-central-1"
  email  = "you@example.com"
  zip    = "./tests/archive.txt" # any file will do: nothing is sent
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

run "a_region_by_its_city" {
  command = plan

  variables {
    region = "Frankfurt"
  }

  expect_failures = [var.region]
}

run "a_zone_for_a_region" {
  command = plan

  variables {
    region = "eu-central-1a"
  }

  expect_failures = [var.region]
}

run "a_stage_with_a_dash" {
  command = plan

  variables {
    stage = "my-stage"
  }

  expect_failures = [var.stage]
}

run "an_archive_that_is_not_there" {
  command = plan

  variables {
    zip = "./nothing.zip"
  }

  expect_failures = [var.zip]
}

run "a_version_by_a_word" {
  command = plan

  variables {
    live_version = "live"
  }

  expect_failures = [var.live_version]
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

run "counting_on_head" {
  command = plan

  variables {
    count_on = "HEAD"
  }

  expect_failures = [var.count_on]
}

run "a_name_of_two_lines" {
  command = plan

  variables {
    site_name = "My\nsite"
  }

  expect_failures = [var.site_name]
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

run "a_table_by_its_arn" {
  command = plan

  variables {
    table_name = "arn:aws:dynamodb:eu-central-1:123456789012:table/counter"
  }

  expect_failures = [var.table_name]
}

run "a_counter_of_all_names" {
  command = plan

  variables {
    counter_id = "*"
  }

  expect_failures = [var.counter_id]
}

run "memory_of_no_size" {
  command = plan

  variables {
    memory_mb = 100
  }

  expect_failures = [var.memory_mb]
}

run "no_requests" {
  command = plan

  variables {
    requests_per_second = 0
  }

  expect_failures = [var.requests_per_second]
}

run "ten_days_of_logs" {
  command = plan

  variables {
    log_retention_days = 10
  }

  expect_failures = [var.log_retention_days]
}

run "an_hour_that_is_none" {
  command = plan

  variables {
    report_hour = 24
  }

  expect_failures = [var.report_hour]
}

run "a_budget_below_nothing" {
  command = plan

  variables {
    budget_usd = -1
  }

  expect_failures = [var.budget_usd]
}

run "a_salt_with_a_space" {
  command = plan

  variables {
    salt = " salt"
  }

  expect_failures = [var.salt]
}

run "a_short_token" {
  command = plan

  variables {
    report_token = "secret"
  }

  expect_failures = [var.report_token]
}

run "a_repository_by_its_address" {
  command = plan

  variables {
    github_repository = "https://github.com/owner/repository"
  }

  expect_failures = [var.github_repository]
}

run "every_repository" {
  command = plan

  variables {
    github_repository = "owner/*"
  }

  expect_failures = [var.github_repository]
}

run "half_of_the_numbers" {
  command = plan

  variables {
    github_repository = "owner/visitor-counter@456"
  }

  expect_failures = [var.github_repository]
}

run "another_provider" {
  command = plan

  variables {
    github_oidc_provider_arn = "arn:aws:iam::123456789012:oidc-provider/example.com"
  }

  expect_failures = [var.github_oidc_provider_arn]
}

run "a_bucket_by_its_address" {
  command = plan

  variables {
    state_bucket = "s3://my-state"
  }

  expect_failures = [var.state_bucket]
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

run "a_table_among_the_settings" {
  command = plan

  variables {
    settings = { TABLE_NAME = "mine" }
  }

  expect_failures = [var.settings]
}

run "settings_without_end" {
  command = plan

  variables {
    settings = { PAGE_LIST = join(",", [for number in range(1000) : "/page${number}"]) }
  }

  expect_failures = [var.settings]
}

run "a_gateway_of_no_kind" {
  command = plan

  variables {
    gateway = "websocket"
  }

  expect_failures = [var.gateway]
}

run "a_domain_with_a_scheme" {
  command = plan

  variables {
    domain = "https://count.example.com"
  }

  expect_failures = [var.domain]
}

run "a_certificate_by_name" {
  command = plan

  variables {
    certificate_arn = "count.example.com"
  }

  expect_failures = [var.certificate_arn]
}

run "a_domain_without_a_certificate" {
  command = plan

  variables {
    domain = "count.example.com"
  }

  expect_failures = [aws_apigatewayv2_domain_name.own]
}
