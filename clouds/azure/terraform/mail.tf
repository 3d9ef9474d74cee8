# The daily report, by mail. The sender's address is Azure's, so there is no domain to verify and no server to run.
resource "azurerm_email_communication_service" "counter" {
  name                = local.unique
  resource_group_name = azurerm_resource_group.counter.name
  data_location       = var.mail_location
  tags                = local.tags
}

resource "azurerm_email_communication_service_domain" "azure" {
  name                             = "AzureManagedDomain" # no other name is taken for a domain of Azure's
  email_service_id                 = azurerm_email_communication_service.counter.id
  domain_management                = "AzureManaged"
  user_engagement_tracking_enabled = false # nobody needs to know whether you opened it
  tags                             = local.tags
}

resource "azurerm_communication_service" "counter" {
  name                = local.unique
  resource_group_name = azurerm_resource_group.counter.name
  data_location       = var.mail_location
  tags                = local.tags
}

resource "azurerm_communication_service_email_domain_association" "counter" {
  communication_service_id = azurerm_communication_service.counter.id
  email_service_domain_id  = azurerm_email_communication_service_domain.azure.id
}
