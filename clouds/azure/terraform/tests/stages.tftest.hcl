# Two stages in one subscription: every name differs, and neither may touch the other's things.

mock_provider "azurerm" {}

mock_provider "random" {
  override_during = plan

  mock_resource "random_string" {
    defaults = { result = "abc123" }
  }
}

variables {
  subscription_id   = "00000000-0000-0000-0000-000000000000"
  location          = "germanywestcentral"
  email             = "you@example.com"
  github_repository = "you/visitor-counter"
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
    condition     = azurerm_resource_group.counter.name == "visitor-counter-staging" && run.production.resource_group == "visitor-counter-production"
    error_message = "Two stages share a resource group."
  }
  assert {
    condition     = azurerm_storage_account.counter.name == "vcstagingabc123" && run.production.storage_account == "vcproductionabc123"
    error_message = "Two stages share a storage account."
  }
  assert {
    condition     = azurerm_function_app_flex_consumption.counter.name == "counter-staging-abc123" && run.production.function_app == "counter-production-abc123"
    error_message = "Two stages share an address."
  }
  assert {
    condition     = azurerm_federated_identity_credential.pipeline[0].subject == "repo:you/visitor-counter:environment:azure-staging"
    error_message = "Staging's job may ship to production."
  }
  assert {
    condition = alltrue([
      for name in [
        azurerm_service_plan.counter.name, azurerm_user_assigned_identity.function.name, azurerm_user_assigned_identity.pipeline[0].name,
        azurerm_log_analytics_workspace.counter.name, azurerm_application_insights.counter.name, azurerm_role_definition.mail.name,
        azurerm_communication_service.counter.name, azurerm_email_communication_service.counter.name, azurerm_monitor_action_group.owner.name,
      ] : strcontains(name, "staging")
    ])
    error_message = "A name does not tell the stages apart."
  }
}

run "the_longest_name" {
  command = plan

  variables {
    stage = "abcdefghijklmno"
  }

  assert {
    condition     = length(azurerm_storage_account.counter.name) <= 24 && length(azurerm_function_app_flex_consumption.counter.name) <= 32
    error_message = "A stage may be called something that Azure does not take, or cannot tell apart."
  }
}
