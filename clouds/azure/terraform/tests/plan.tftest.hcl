# Plans against made-up providers: no account, nothing is built. Plans only, for what is never to be destroyed could not be
# cleared away after an apply. Needs Terraform 1.11, which makes up values at plan time.

mock_provider "azurerm" {
  override_during = plan

  mock_data "azurerm_client_config" {
    defaults = { tenant_id = "11111111-1111-1111-1111-111111111111" }
  }
  mock_resource "azurerm_resource_group" {
    defaults = { id = "/subscriptions/s/resourceGroups/visitor-counter-production" }
  }
  mock_resource "azurerm_storage_account" {
    defaults = {
      id                    = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/mine"
      primary_blob_endpoint = "https://mine.blob.core.windows.net/"
    }
  }
  mock_resource "azurerm_storage_container" {
    defaults = { id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/mine/blobServices/default/containers/package" }
  }
  mock_resource "azurerm_user_assigned_identity" {
    defaults = {
      id           = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/made"
      client_id    = "22222222-2222-2222-2222-222222222222"
      principal_id = "33333333-3333-3333-3333-333333333333"
    }
  }
  mock_resource "azurerm_function_app_flex_consumption" {
    defaults = {
      id               = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/counter"
      default_hostname = "counter-production-abc123.azurewebsites.net"
    }
  }
  mock_resource "azurerm_application_insights" {
    defaults = {
      id                = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/counter"
      connection_string = "InstrumentationKey=made-up"
    }
  }
  mock_resource "azurerm_communication_service" {
    defaults = {
      id       = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Communication/communicationServices/counter"
      hostname = "counter.europe.communication.azure.com"
    }
  }
  mock_resource "azurerm_email_communication_service_domain" {
    defaults = { from_sender_domain = "made-up.azurecomm.net" }
  }
  mock_resource "azurerm_role_definition" {
    defaults = { role_definition_resource_id = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/mail" }
  }
  mock_resource "azurerm_monitor_action_group" {
    defaults = { id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/actionGroups/owner" }
  }
}

mock_provider "random" {
  override_during = plan

  mock_resource "random_password" {
    defaults = { result = "made-up-and-forty-characters-long-at-least" }
  }
  mock_resource "random_string" {
    defaults = { result = "abc123" }
  }
}

variables {
  subscription_id = "00000000-0000-0000-0000-000000000000"
  location        = "germanywestcentral"
  email           = "you@example.com"
}

run "the_function" {
  command = plan

  assert {
    condition     = azurerm_service_plan.counter.sku_name == "FC1" && azurerm_service_plan.counter.os_type == "Linux"
    error_message = "It is not the plan that was decided on."
  }
  assert {
    condition = (
      azurerm_function_app_flex_consumption.counter.runtime_name == "python" &&
      azurerm_function_app_flex_consumption.counter.instance_memory_in_mb == 512 &&
      azurerm_function_app_flex_consumption.counter.maximum_instance_count == 10 &&
      length(azurerm_function_app_flex_consumption.counter.always_ready) == 0
    )
    error_message = "The function has another size, or instances that cost while nobody visits."
  }
  assert {
    condition = (
      azurerm_function_app_flex_consumption.counter.https_only &&
      azurerm_function_app_flex_consumption.counter.site_config[0].minimum_tls_version == "1.2" &&
      azurerm_function_app_flex_consumption.counter.site_config[0].scm_minimum_tls_version == "1.2"
    )
    error_message = "The function may be asked without encryption, or with an old one."
  }
  assert {
    condition     = !azurerm_function_app_flex_consumption.counter.webdeploy_publish_basic_authentication_enabled
    error_message = "Somebody with a publishing password may ship code."
  }
  assert {
    condition = (
      length(azurerm_function_app_flex_consumption.counter.site_config[0].cors) == 0 &&
      length(azurerm_function_app_flex_consumption.counter.auth_settings) == 0 &&
      length(azurerm_function_app_flex_consumption.counter.auth_settings_v2) == 0
    )
    error_message = "The platform answers CORS, which the function does, or asks visitors to sign in."
  }
  assert {
    condition = toset(keys(nonsensitive(azurerm_function_app_flex_consumption.counter.app_settings))) == toset([
      "SALT", "REPORT_TOKEN", "ALLOWED_ORIGINS", "COUNT_ON", "TIMEZONE", "REPORT_SCHEDULE", "EMAIL_ENDPOINT", "EMAIL_FROM", "EMAIL_TO",
      "AzureWebJobsStorage", "AzureWebJobsStorage__accountName", "AzureWebJobsStorage__clientId", "AzureWebJobsStorage__credential",
      "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    ])
    error_message = "The function is told something else, or a setting without a value is handed on."
  }
  assert {
    condition = nonsensitive(
      azurerm_function_app_flex_consumption.counter.app_settings["REPORT_SCHEDULE"] == "0 0 6 * * *" &&
      azurerm_function_app_flex_consumption.counter.app_settings["EMAIL_ENDPOINT"] == "https://counter.europe.communication.azure.com" &&
      azurerm_function_app_flex_consumption.counter.app_settings["EMAIL_FROM"] == "DoNotReply@made-up.azurecomm.net" &&
      azurerm_function_app_flex_consumption.counter.app_settings["EMAIL_TO"] == "you@example.com"
    )
    error_message = "The report is sent at another hour, or by another way."
  }
  assert {
    condition     = output.url == "https://counter-production-abc123.azurewebsites.net/api" && strcontains(output.snippet, "src=\"${output.url}/visitor-counter.js\"")
    error_message = "The address or the snippet is wrong."
  }
}

run "no_key_anywhere" {
  command = plan

  assert {
    condition = (
      !azurerm_storage_account.counter.shared_access_key_enabled &&
      !azurerm_storage_account.counter.local_user_enabled &&
      nonsensitive(azurerm_function_app_flex_consumption.counter.app_settings["AzureWebJobsStorage"]) == ""
    )
    error_message = "The storage account can be opened with a key."
  }
  assert {
    condition = (
      azurerm_function_app_flex_consumption.counter.storage_authentication_type == "UserAssignedIdentity" &&
      one(azurerm_function_app_flex_consumption.counter.identity[0].identity_ids) == azurerm_user_assigned_identity.function.id &&
      nonsensitive(azurerm_function_app_flex_consumption.counter.app_settings["AzureWebJobsStorage__clientId"]) == azurerm_user_assigned_identity.function.client_id
    )
    error_message = "The function is not who it should be."
  }
  assert {
    condition     = azurerm_application_insights.counter.local_authentication_disabled && !azurerm_log_analytics_workspace.counter.local_authentication_enabled
    error_message = "Whoever knows the log's address may write into it."
  }
}

run "the_numbers" {
  command = plan

  assert {
    condition = (
      !azurerm_storage_account.counter.allow_nested_items_to_be_public &&
      azurerm_storage_account.counter.https_traffic_only_enabled &&
      azurerm_storage_account.counter.min_tls_version == "TLS1_2" &&
      azurerm_storage_container.package.container_access_type == "private"
    )
    error_message = "The storage account is open to the public, or to old encryption."
  }
  assert {
    condition = (
      azurerm_storage_account.counter.blob_properties[0].delete_retention_policy[0].days == 7 &&
      azurerm_storage_account.counter.blob_properties[0].container_delete_retention_policy[0].days == 7
    )
    error_message = "A zip that was overwritten is gone."
  }
}

run "rights" {
  command = plan

  assert {
    condition = {
      for right in [azurerm_role_assignment.blobs, azurerm_role_assignment.tables, azurerm_role_assignment.telemetry] :
      right.role_definition_name => right.scope
      } == {
      "Storage Blob Data Owner"        = azurerm_storage_account.counter.id
      "Storage Table Data Contributor" = azurerm_storage_account.counter.id
      "Monitoring Metrics Publisher"   = azurerm_application_insights.counter.id
    }
    error_message = "The function has other rights, or has them elsewhere."
  }
  assert {
    condition     = azurerm_role_assignment.mail.scope == azurerm_communication_service.counter.id && azurerm_role_assignment.mail.role_definition_id == azurerm_role_definition.mail.role_definition_resource_id
    error_message = "The function may not send its report, or with another right."
  }
  assert {
    condition = (
      toset(azurerm_role_definition.mail.permissions[0].actions) == toset([
        "Microsoft.Communication/CommunicationServices/Read",
        "Microsoft.Communication/CommunicationServices/Write",
        "Microsoft.Communication/EmailServices/write",
      ]) &&
      tolist(azurerm_role_definition.mail.assignable_scopes) == tolist([azurerm_resource_group.counter.id])
    )
    error_message = "Who may send mail may do more, or elsewhere."
  }
  assert {
    condition = alltrue([
      for right in [azurerm_role_assignment.blobs, azurerm_role_assignment.tables, azurerm_role_assignment.telemetry, azurerm_role_assignment.mail] :
      right.principal_id == azurerm_user_assigned_identity.function.principal_id
    ])
    error_message = "Somebody else has the function's rights."
  }
  assert {
    condition     = length(azurerm_role_assignment.owner) == 0
    error_message = "Somebody may look into the table whom nobody named."
  }
}

run "the_log" {
  command = plan

  assert {
    condition     = !azurerm_application_insights.counter.disable_ip_masking
    error_message = "Addresses are written into the log."
  }
  assert {
    condition = (
      azurerm_log_analytics_workspace.counter.retention_in_days == 30 &&
      alltrue([for table in azurerm_log_analytics_workspace_table.telemetry : table.retention_in_days == 30 && table.total_retention_in_days == 30]) &&
      contains(keys(azurerm_log_analytics_workspace_table.telemetry), "AppRequests")
    )
    error_message = "The log is kept for another time."
  }
  assert {
    condition     = azurerm_log_analytics_workspace.counter.daily_quota_gb == 0.1 && azurerm_application_insights.counter.daily_data_cap_in_gb == 0.1
    error_message = "A flood may fill the log without end."
  }
}

run "alarms" {
  command = plan

  assert {
    condition     = one(azurerm_monitor_action_group.owner.email_receiver).email_address == "you@example.com"
    error_message = "The owner gets no alarms."
  }
  assert {
    condition = (
      one(azurerm_monitor_metric_alert.answers.action).action_group_id == azurerm_monitor_action_group.owner.id &&
      one(azurerm_monitor_metric_alert.answers.scopes) == azurerm_function_app_flex_consumption.counter.id &&
      azurerm_monitor_metric_alert.answers.criteria[0].metric_name == "Http5xx"
    )
    error_message = "Nobody is told that visitors get errors."
  }
  assert {
    condition = (
      one(azurerm_monitor_scheduled_query_rules_alert_v2.errors[0].action[0].action_groups) == azurerm_monitor_action_group.owner.id &&
      azurerm_monitor_scheduled_query_rules_alert_v2.errors[0].evaluation_frequency == "PT15M"
    )
    error_message = "Nobody is told of errors in the log, or at a higher price."
  }
  assert {
    condition = (
      azurerm_consumption_budget_resource_group.counter[0].amount == 5 &&
      alltrue([for notice in azurerm_consumption_budget_resource_group.counter[0].notification : one(notice.contact_emails) == "you@example.com"])
    )
    error_message = "Nobody is told of what it costs."
  }
}

run "cheapest" {
  command = plan

  variables {
    log_alarm = false
    budget    = 0
  }

  assert {
    condition     = length(azurerm_monitor_scheduled_query_rules_alert_v2.errors) + length(azurerm_consumption_budget_resource_group.counter) == 0
    error_message = "What was switched off is there."
  }
}

run "without_a_pipeline" {
  command = plan

  variables {
    state_container_id = "/subscriptions/s/resourceGroups/state/providers/Microsoft.Storage/storageAccounts/state/blobServices/default/containers/tfstate"
  }

  assert {
    condition = (
      length(azurerm_user_assigned_identity.pipeline) + length(azurerm_federated_identity_credential.pipeline) + length(azurerm_role_assignment.pipeline_function) == 0 &&
      length(azurerm_user_assigned_identity.plan) + length(azurerm_federated_identity_credential.plan) + length(azurerm_role_assignment.plan_state) == 0
    )
    error_message = "GitHub may sign in although nobody asked for it."
  }
}

run "with_a_pipeline" {
  command = plan

  variables {
    github_repository = "you@123/visitor-counter@456"
  }

  assert {
    condition = (
      azurerm_federated_identity_credential.pipeline[0].subject == "repo:you@123/visitor-counter@456:environment:azure-production" &&
      azurerm_federated_identity_credential.pipeline[0].issuer == "https://token.actions.githubusercontent.com" &&
      one(azurerm_federated_identity_credential.pipeline[0].audience) == "api://AzureADTokenExchange"
    )
    error_message = "Another repository or environment may ship."
  }
  assert {
    condition = {
      for right in [azurerm_role_assignment.pipeline_function[0], azurerm_role_assignment.pipeline_group[0], azurerm_role_assignment.pipeline_package[0]] :
      right.role_definition_name => right.scope
      } == {
      "Website Contributor"      = azurerm_function_app_flex_consumption.counter.id
      "Reader"                   = azurerm_resource_group.counter.id
      "Storage Blob Data Reader" = azurerm_storage_container.package.id
    }
    error_message = "The pipeline may do more than ship to this function."
  }
  assert {
    condition     = length(azurerm_user_assigned_identity.plan) == 0 && output.plan_client_id == null
    error_message = "Pull requests may read a state that nobody named."
  }
}

run "with_plans_in_pull_requests" {
  command = plan

  variables {
    github_repository  = "you/visitor-counter"
    state_container_id = "/subscriptions/s/resourceGroups/state/providers/Microsoft.Storage/storageAccounts/state/blobServices/default/containers/tfstate"
  }

  assert {
    condition     = azurerm_federated_identity_credential.plan[0].subject == "repo:you/visitor-counter:environment:azure-plan"
    error_message = "Another environment may read the state."
  }
  assert {
    condition     = azurerm_role_assignment.plan_state[0].role_definition_name == "Storage Blob Data Reader" && endswith(azurerm_role_assignment.plan_state[0].scope, "/containers/tfstate")
    error_message = "A pull request may do more than read the state."
  }
}

run "settings_of_ones_own" {
  command = plan

  variables {
    salt               = "from-an-older-counter"
    report_token       = "a-token-of-my-own-long-enough"
    allowed_origins    = "https://example.com, https://www.example.com:8443,http://[::1]:8080"
    count_on           = "POST"
    site_name          = "My site"
    timezone           = "America/Argentina/Buenos_Aires"
    report_hour_utc    = 23
    log_retention_days = 60
    owner_object_id    = "44444444-4444-4444-4444-444444444444"
  }

  assert {
    condition = nonsensitive(
      azurerm_function_app_flex_consumption.counter.app_settings["SALT"] == "from-an-older-counter" &&
      azurerm_function_app_flex_consumption.counter.app_settings["REPORT_TOKEN"] == "a-token-of-my-own-long-enough" &&
      azurerm_function_app_flex_consumption.counter.app_settings["COUNT_ON"] == "POST" &&
      azurerm_function_app_flex_consumption.counter.app_settings["SITE_NAME"] == "My site" &&
      azurerm_function_app_flex_consumption.counter.app_settings["TIMEZONE"] == "America/Argentina/Buenos_Aires" &&
      azurerm_function_app_flex_consumption.counter.app_settings["REPORT_SCHEDULE"] == "0 0 23 * * *"
    )
    error_message = "A setting did not arrive."
  }
  assert {
    condition     = alltrue([for table in azurerm_log_analytics_workspace_table.telemetry : table.retention_in_days == 60])
    error_message = "The log is kept for another time than was asked for."
  }
  assert {
    condition     = azurerm_role_assignment.owner[0].principal_id == "44444444-4444-4444-4444-444444444444" && azurerm_role_assignment.owner[0].role_definition_name == "Storage Table Data Contributor"
    error_message = "The owner cannot look at his table."
  }
}

run "any_setting" {
  command = plan

  variables {
    settings = { COUNT_ON = "POST", TIMEZONE = "Europe/Berlin", PAGES = "50", EMPTY = "" }
  }

  assert {
    condition = { for name, value in nonsensitive(azurerm_function_app_flex_consumption.counter.app_settings) : name => value if contains(["COUNT_ON", "TIMEZONE", "PAGES", "EMPTY"], name) } == {
      COUNT_ON = "POST"
      PAGES    = "50"
      TIMEZONE = "Europe/Berlin"
    }
    error_message = "A setting did not arrive, or one without a value did."
  }
}
