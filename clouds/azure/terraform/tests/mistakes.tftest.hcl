# Each mistake is named before anything is built.

mock_provider "azurerm" {}

mock_provider "random" {}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  location        = "germanywestcentral"
  email           = "you@example.com"
}

run "a_subscription_by_name" {
  command = plan

  variables {
    subscription_id = "mine"
  }

  expect_failures = [var.subscription_id]
}

run "a_location_in_words" {
  command = plan

  variables {
    location = "Germany West Central"
  }

  expect_failures = [var.location]
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

run "mail_from_nowhere" {
  command = plan

  variables {
    mail_location = "europe"
  }

  expect_failures = [var.mail_location]
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

run "counting_on_head" {
  command = plan

  variables {
    count_on = "HEAD"
  }

  expect_failures = [var.count_on]
}

run "a_stage_with_a_dash" {
  command = plan

  variables {
    stage = "my-stage"
  }

  expect_failures = [var.stage]
}

run "a_stage_too_long" {
  command = plan

  variables {
    stage = "abcdefghijklmnop"
  }

  expect_failures = [var.stage]
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

run "a_python_too_old" {
  command = plan

  variables {
    python_version = "3.9"
  }

  expect_failures = [var.python_version]
}

run "a_python_as_a_number" {
  command = plan

  variables {
    python_version = 3.1
  }

  expect_failures = [var.python_version]
}

run "no_instances" {
  command = plan

  variables {
    maximum_instances = 0
  }

  expect_failures = [var.maximum_instances]
}

run "half_an_instance" {
  command = plan

  variables {
    maximum_instances = 1.5
  }

  expect_failures = [var.maximum_instances]
}

run "a_week_of_logs" {
  command = plan

  variables {
    log_retention_days = 7
  }

  expect_failures = [var.log_retention_days]
}

run "an_hour_that_is_none" {
  command = plan

  variables {
    report_hour_utc = 24
  }

  expect_failures = [var.report_hour_utc]
}

run "a_budget_below_nothing" {
  command = plan

  variables {
    budget = -1
  }

  expect_failures = [var.budget]
}

run "an_owner_by_name" {
  command = plan

  variables {
    owner_object_id = "you@example.com"
  }

  expect_failures = [var.owner_object_id]
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

run "a_short_token" {
  command = plan

  variables {
    report_token = "short"
  }

  expect_failures = [var.report_token]
}

run "a_repository_by_its_address" {
  command = plan

  variables {
    github_repository = "https://github.com/you/visitor-counter"
  }

  expect_failures = [var.github_repository]
}

run "every_repository" {
  command = plan

  variables {
    github_repository = "you/*"
  }

  expect_failures = [var.github_repository]
}

run "half_of_the_numbers" {
  command = plan

  variables {
    github_repository = "you/visitor-counter@456"
  }

  expect_failures = [var.github_repository]
}

run "a_state_by_its_account" {
  command = plan

  variables {
    state_container_id = "tfstate"
  }

  expect_failures = [var.state_container_id]
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
