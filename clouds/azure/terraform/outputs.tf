output "url" {
  description = "The counter's address."
  value       = local.url
}

output "snippet" {
  description = "What to paste into a page. The counter serves the script itself."
  value       = <<-HTML
    <script defer src="${local.url}/visitor-counter.js"></script>
    <visitor-counter page referrer>many</visitor-counter> visits
  HTML
}

output "next_step" {
  description = "What to do next."
  value       = "In the repository's root: az functionapp config appsettings delete --resource-group ${local.name} --name ${local.unique} --setting-names AzureWebJobsStorage, then az functionapp deployment source config-zip --resource-group ${local.name} --name ${local.unique} --build-remote false --src build/azure.zip, then make check URL=${local.url}. clouds/azure/deploy does the first two."
}

output "how_to_read_the_token" {
  description = "The report token opens /stats and /report. It is not shown automatically."
  value       = "terraform output -raw report_token (in the portal: the function app ${local.unique}, Settings, Environment variables, REPORT_TOKEN)"
}

output "report_token" {
  description = "Opens /stats and /report; the secret REPORT_TOKEN of the workflows."
  value       = local.report_token
  sensitive   = true
}

output "salt" {
  description = "Keep it with your backups: without its salt the document recognizes no visitor."
  value       = local.settings.SALT
  sensitive   = true
}

output "resource_group" {
  description = "Where everything is; the pipeline's variable AZURE_RESOURCE_GROUP."
  value       = azurerm_resource_group.counter.name
}

output "function_app" {
  description = "The function; the pipeline's variable AZURE_FUNCTION_APP."
  value       = azurerm_function_app_flex_consumption.counter.name
}

output "storage_account" {
  description = "Where the table VisitorCounter is; the pipeline's variable AZURE_STORAGE_ACCOUNT."
  value       = azurerm_storage_account.counter.name
}

output "tenant_id" {
  description = "The pipeline's variable AZURE_TENANT_ID."
  value       = data.azurerm_client_config.here.tenant_id
}

output "pipeline_client_id" {
  description = "The pipeline's identity when it ships to this stage; its variable AZURE_CLIENT_ID."
  value       = one(azurerm_user_assigned_identity.pipeline[*].client_id)
}

output "plan_client_id" {
  description = "The identity of a pull request's plan; the variable AZURE_CLIENT_ID of the environment azure-plan."
  value       = one(azurerm_user_assigned_identity.plan[*].client_id)
}
