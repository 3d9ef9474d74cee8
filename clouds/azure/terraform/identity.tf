# The function's identity. It is made before the function, so that its rights exist when the function starts.
resource "azurerm_user_assigned_identity" "function" {
  name                = "${local.name}-function"
  resource_group_name = azurerm_resource_group.counter.name
  location            = azurerm_resource_group.counter.location
  tags                = local.tags
}

# The platform needs it for its locks (such as the timer's), its keys, and the zip. The account holds only this counter.
resource "azurerm_role_assignment" "blobs" {
  scope                = azurerm_storage_account.counter.id
  role_definition_name = "Storage Blob Data Owner"
  principal_id         = azurerm_user_assigned_identity.function.principal_id
  principal_type       = "ServicePrincipal"
}

# The counter's table, which the function creates.
resource "azurerm_role_assignment" "tables" {
  scope                = azurerm_storage_account.counter.id
  role_definition_name = "Storage Table Data Contributor"
  principal_id         = azurerm_user_assigned_identity.function.principal_id
  principal_type       = "ServicePrincipal"
}

# May write the log, but not read it.
resource "azurerm_role_assignment" "telemetry" {
  scope                = azurerm_application_insights.counter.id
  role_definition_name = "Monitoring Metrics Publisher"
  principal_id         = azurerm_user_assigned_identity.function.principal_id
  principal_type       = "ServicePrincipal"
}

# The rights to send a mail. Azure's own role, Communication and Email Service Owner, may also read keys and delete.
resource "azurerm_role_definition" "mail" {
  name              = "${local.unique}-mail"
  description       = "Sends mail through the visitor counter's Communication Services (${var.stage})"
  scope             = azurerm_resource_group.counter.id
  assignable_scopes = [azurerm_resource_group.counter.id]

  permissions {
    actions = [
      "Microsoft.Communication/CommunicationServices/Read",
      "Microsoft.Communication/CommunicationServices/Write",
      "Microsoft.Communication/EmailServices/write",
    ]
  }
}

resource "azurerm_role_assignment" "mail" {
  scope              = azurerm_communication_service.counter.id
  role_definition_id = azurerm_role_definition.mail.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.function.principal_id
  principal_type     = "ServicePrincipal"
}

# Owning a storage account does not give access to its data. This does, without enabling a key.
resource "azurerm_role_assignment" "owner" {
  count = var.owner_object_id == "" ? 0 : 1

  scope                = azurerm_storage_account.counter.id
  role_definition_name = "Storage Table Data Contributor"
  principal_id         = var.owner_object_id
}
