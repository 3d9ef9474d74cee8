# Holds the counter's table, the platform's own data and the function's zip. The function makes the table, not Terraform,
# so no apply can ever overwrite the numbers.
resource "azurerm_storage_account" "counter" {
  #checkov:skip=CKV_AZURE_33:There are no queues.
  #checkov:skip=CKV_AZURE_59:Open to networks, closed without a token of Entra ID: a private network costs more than all the rest.
  #checkov:skip=CKV_AZURE_206:There are three copies in one place, and the report mails another every day.
  #checkov:skip=CKV2_AZURE_1:Azure's own key encrypts it; your own key is one more thing to lose, for salted hashes.
  #checkov:skip=CKV2_AZURE_33:The same.
  name                            = "vc${var.stage}${random_string.suffix.result}"
  resource_group_name             = azurerm_resource_group.counter.name
  location                        = azurerm_resource_group.counter.location
  account_kind                    = "StorageV2"
  account_tier                    = "Standard"
  account_replication_type        = "LRS"
  https_traffic_only_enabled      = true
  min_tls_version                 = "TLS1_2"
  shared_access_key_enabled       = false # identities only: there is no key that could be lost
  default_to_oauth_authentication = true
  allow_nested_items_to_be_public = false
  local_user_enabled              = false
  tags                            = local.tags

  # Costs the space of a week of old zips: next to nothing. Tables have neither this nor point-in-time restore.
  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }

  # All the numbers are in here. The README says how to remove the rest, and finally this.
  lifecycle {
    prevent_destroy = true
  }
}

# The platform keeps the current zip in here, as released-package.zip.
resource "azurerm_storage_container" "package" {
  #checkov:skip=CKV2_AZURE_21:A log of who reads the zip is useless.
  name                  = "package"
  storage_account_id    = azurerm_storage_account.counter.id
  container_access_type = "private"
}
