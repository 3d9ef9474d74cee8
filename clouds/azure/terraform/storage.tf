# Holds the counter's table, the platform's own bookkeeping and the function's zip. Terraform does not make the table: the
# function does, with its first visit, so no apply can ever write over the numbers.
resource "azurerm_storage_account" "counter" {
  #checkov:skip=CKV_AZURE_33:There are no queues.
  #checkov:skip=CKV_AZURE_59:Open to networks, closed without a token of Entra ID: a private network costs more than all the rest.
  #checkov:skip=CKV_AZURE_206:Three copies in one place; the report mails another one every day.
  #checkov:skip=CKV2_AZURE_1:Azure's own key encrypts it; a key of one's own is a thing more to lose, for salted hashes.
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

  # Costs what a week of old zips weighs, which is next to nothing. Tables have neither this nor a way back in time.
  blob_properties {
    delete_retention_policy {
      days = 7
    }
    container_delete_retention_policy {
      days = 7
    }
  }

  # All the numbers are in here. The README says how to take the rest away, and this last if you mean it.
  lifecycle {
    prevent_destroy = true
  }
}

# The platform keeps the zip that runs in here, as released-package.zip.
resource "azurerm_storage_container" "package" {
  #checkov:skip=CKV2_AZURE_21:A log of who reads the zip is no use.
  name                  = "package"
  storage_account_id    = azurerm_storage_account.counter.id
  container_access_type = "private"
}
