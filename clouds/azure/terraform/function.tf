# docs/decisions/0014-azure-plan.md says why this plan.
resource "azurerm_service_plan" "counter" {
  #checkov:skip=CKV_AZURE_212:It scales from none and back to none.
  #checkov:skip=CKV_AZURE_225:If a zone fails, the counter waits.
  name                = local.name
  resource_group_name = azurerm_resource_group.counter.name
  location            = azurerm_resource_group.counter.location
  os_type             = "Linux"
  sku_name            = "FC1"
  tags                = local.tags
}

# The salt must live as long as the table: with a different one every visitor is new.
resource "random_password" "salt" {
  length  = 48
  special = false

  lifecycle {
    prevent_destroy = true
    ignore_changes  = all
  }
}

resource "random_password" "report_token" {
  length  = 40
  special = false

  keepers = {
    version = var.report_token_version
  }
}

locals {
  report_token = var.report_token == "" ? random_password.report_token.result : var.report_token

  # The owner's settings, without empty ones.
  chosen = {
    for name, value in merge(
      {
        ALLOWED_ORIGINS = var.allowed_origins
        COUNT_ON        = var.count_on
        SITE_NAME       = var.site_name
        TIMEZONE        = var.timezone
        REPORT_SCHEDULE = "0 0 ${var.report_hour_utc} * * *" # seconds first; on Linux the platform's clock is UTC
      },
      var.settings,
    ) : name => value if value != ""
  }

  # And what only the stack knows. Every other setting has a good default.
  settings = merge(local.chosen, {
    SALT           = var.salt == "" ? random_password.salt.result : var.salt
    REPORT_TOKEN   = local.report_token
    EMAIL_ENDPOINT = "https://${azurerm_communication_service.counter.hostname}"
    EMAIL_FROM     = "DoNotReply@${azurerm_email_communication_service_domain.azure.from_sender_domain}"
    EMAIL_TO       = var.email
  })

  # The platform's settings. It accesses the storage account and the log as the function's identity, without a key.
  platform = {
    # Set to nothing, because otherwise the provider would override the three below with a connection string without a key.
    AzureWebJobsStorage                       = ""
    AzureWebJobsStorage__accountName          = azurerm_storage_account.counter.name
    AzureWebJobsStorage__credential           = "managedidentity"
    AzureWebJobsStorage__clientId             = azurerm_user_assigned_identity.function.client_id
    APPLICATIONINSIGHTS_AUTHENTICATION_STRING = "ClientId=${azurerm_user_assigned_identity.function.client_id};Authorization=AAD"
  }

  url = "https://${azurerm_function_app_flex_consumption.counter.default_hostname}/api"
}

resource "azurerm_function_app_flex_consumption" "counter" {
  name                = local.unique
  resource_group_name = azurerm_resource_group.counter.name
  location            = azurerm_resource_group.counter.location
  service_plan_id     = azurerm_service_plan.counter.id
  tags                = local.tags

  runtime_name           = "python"
  runtime_version        = var.python_version
  instance_memory_in_mb  = 512
  maximum_instance_count = var.maximum_instances
  http_concurrency       = 8 # they take turns: sooner done than starting another instance

  storage_container_type            = "blobContainer"
  storage_container_endpoint        = "${azurerm_storage_account.counter.primary_blob_endpoint}${azurerm_storage_container.package.name}"
  storage_authentication_type       = "UserAssignedIdentity"
  storage_user_assigned_identity_id = azurerm_user_assigned_identity.function.id

  # Deployments sign in with Entra ID; a publishing password is not accepted.
  https_only                                     = true
  webdeploy_publish_basic_authentication_enabled = false

  app_settings = merge(local.settings, local.platform)

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.function.id]
  }

  # No CORS here: the function answers it, and a browser refuses two Access-Control-Allow-Origin. No sign-in
  # by the platform either: anybody may visit, and the owner has a token.
  site_config {
    application_insights_connection_string = azurerm_application_insights.counter.connection_string
    minimum_tls_version                    = "1.2"
    scm_minimum_tls_version                = "1.2"
    http2_enabled                          = true
  }

  # A first start without its rights would fail, and the next try would come much later.
  depends_on = [
    azurerm_role_assignment.blobs,
    azurerm_role_assignment.tables,
    azurerm_role_assignment.telemetry,
  ]
}
