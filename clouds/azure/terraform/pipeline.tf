# GitHub signs a token that names a job's repository and environment. Entra ID checks it and gives out a session, so there
# is no key to keep or lose.
locals {
  with_github = var.github_repository == "" ? 0 : 1
  with_plan   = var.github_repository == "" || var.state_container_id == "" ? 0 : 1
}

resource "azurerm_user_assigned_identity" "pipeline" {
  count = local.with_github

  name                = "${local.name}-pipeline"
  resource_group_name = azurerm_resource_group.counter.name
  location            = azurerm_resource_group.counter.location
  tags                = local.tags
}

# The environment's rules in GitHub decide who may use it and from which branch.
resource "azurerm_federated_identity_credential" "pipeline" {
  count = local.with_github

  name                = "github"
  resource_group_name = azurerm_resource_group.counter.name
  parent_id           = azurerm_user_assigned_identity.pipeline[0].id
  issuer              = "https://token.actions.githubusercontent.com"
  audience            = ["api://AzureADTokenExchange"]
  subject             = "repo:${var.github_repository}:environment:azure-${var.stage}"
}

# Ships to this one function. It is Azure's narrowest role that may; it may also change the function's settings.
resource "azurerm_role_assignment" "pipeline_function" {
  count = local.with_github

  scope                = azurerm_function_app_flex_consumption.counter.id
  role_definition_name = "Website Contributor"
  principal_id         = azurerm_user_assigned_identity.pipeline[0].principal_id
  principal_type       = "ServicePrincipal"
}

# `az` reads a function's plan and storage account before it ships. This gives no access to settings, keys or numbers.
resource "azurerm_role_assignment" "pipeline_group" {
  count = local.with_github

  scope                = azurerm_resource_group.counter.id
  role_definition_name = "Reader"
  principal_id         = azurerm_user_assigned_identity.pipeline[0].principal_id
  principal_type       = "ServicePrincipal"
}

# To fetch the previous zip for a rollback.
resource "azurerm_role_assignment" "pipeline_package" {
  count = local.with_github

  scope                = azurerm_storage_container.package.id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.pipeline[0].principal_id
  principal_type       = "ServicePrincipal"
}

resource "azurerm_user_assigned_identity" "plan" {
  count = local.with_plan

  name                = "${local.name}-plan"
  resource_group_name = azurerm_resource_group.counter.name
  location            = azurerm_resource_group.counter.location
  tags                = local.tags
}

resource "azurerm_federated_identity_credential" "plan" {
  count = local.with_plan

  name                = "github"
  resource_group_name = azurerm_resource_group.counter.name
  parent_id           = azurerm_user_assigned_identity.plan[0].id
  issuer              = "https://token.actions.githubusercontent.com"
  audience            = ["api://AzureADTokenExchange"]
  subject             = "repo:${var.github_repository}:environment:azure-plan"
}

# A plan compares with the state and does not query Azure. The state has the salt and the token: whoever may use the
# environment azure-plan can read them.
resource "azurerm_role_assignment" "plan_state" {
  count = local.with_plan

  scope                = var.state_container_id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.plan[0].principal_id
  principal_type       = "ServicePrincipal"
}
