# GitHub says in a signed token which repository and environment a job belongs to. Entra ID looks at it and hands out a
# session, so there is no key to keep, or to lose.
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

# The environment's rules, set in GitHub, say who may use it and from which branch.
resource "azurerm_federated_identity_credential" "pipeline" {
  count = local.with_github

  name                = "github"
  resource_group_name = azurerm_resource_group.counter.name
  parent_id           = azurerm_user_assigned_identity.pipeline[0].id
  issuer              = "https://token.actions.githubusercontent.com"
  audience            = ["api://AzureADTokenExchange"]
  subject             = "repo:${var.github_repository}:environment:azure-${var.stage}"
}

# Ships to this one function. The role is the narrowest of Azure's own that may; it may change the function's settings too.
resource "azurerm_role_assignment" "pipeline_function" {
  count = local.with_github

  scope                = azurerm_function_app_flex_consumption.counter.id
  role_definition_name = "Website Contributor"
  principal_id         = azurerm_user_assigned_identity.pipeline[0].principal_id
  principal_type       = "ServicePrincipal"
}

# `az` looks at the plan and the storage account of a function before it ships. No settings, keys or numbers are in this.
resource "azurerm_role_assignment" "pipeline_group" {
  count = local.with_github

  scope                = azurerm_resource_group.counter.id
  role_definition_name = "Reader"
  principal_id         = azurerm_user_assigned_identity.pipeline[0].principal_id
  principal_type       = "ServicePrincipal"
}

# To fetch the zip that ran before, and bring it back.
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

# A plan compares with the state and asks Azure for nothing. The salt and the token are in the state, so who may use the
# environment azure-plan may read them.
resource "azurerm_role_assignment" "plan_state" {
  count = local.with_plan

  scope                = var.state_container_id
  role_definition_name = "Storage Blob Data Reader"
  principal_id         = azurerm_user_assigned_identity.plan[0].principal_id
  principal_type       = "ServicePrincipal"
}
