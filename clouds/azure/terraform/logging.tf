# The function's log. It has nothing about visitors, see privacy.py. The platform's own record of each request would hold the
# place it came from; host.json keeps it off. Azure writes its HTTP log, which has addresses, only with a diagnostic
# setting, and there is none.
resource "azurerm_log_analytics_workspace" "counter" {
  name                         = local.name
  resource_group_name          = azurerm_resource_group.counter.name
  location                     = azurerm_resource_group.counter.location
  sku                          = "PerGB2018"
  retention_in_days            = var.log_retention_days
  daily_quota_gb               = 0.1 # the first 5 GB of a month are free: even a day of nothing but errors stays in there
  local_authentication_enabled = false
  tags                         = local.tags
}

resource "azurerm_application_insights" "counter" {
  name                          = local.name
  resource_group_name           = azurerm_resource_group.counter.name
  location                      = azurerm_resource_group.counter.location
  workspace_id                  = azurerm_log_analytics_workspace.counter.id
  application_type              = "web"
  retention_in_days             = var.log_retention_days
  daily_data_cap_in_gb          = 0.1
  disable_ip_masking            = false # an address is 0.0.0.0 before it is written
  local_authentication_disabled = true
  tags                          = local.tags
}

# Without this, Application Insights keeps its data for 90 days, whatever the workspace says.
resource "azurerm_log_analytics_workspace_table" "telemetry" {
  for_each = toset(["AppDependencies", "AppExceptions", "AppMetrics", "AppPerformanceCounters", "AppRequests", "AppTraces"])

  name                    = each.key
  workspace_id            = azurerm_log_analytics_workspace.counter.id
  retention_in_days       = var.log_retention_days
  total_retention_in_days = var.log_retention_days
}

# Azure first mails that you are in the group; there is nothing to confirm.
resource "azurerm_monitor_action_group" "owner" {
  name                = local.name
  resource_group_name = azurerm_resource_group.counter.name
  short_name          = "counter"
  tags                = local.tags

  email_receiver {
    name                    = "owner"
    email_address           = var.email
    use_common_alert_schema = true
  }
}

# Two alarms. This one sees what visitors got, even if the function could not write a log.
resource "azurerm_monitor_metric_alert" "answers" {
  name                = "${local.name}-answers"
  resource_group_name = azurerm_resource_group.counter.name
  description         = "Visitors get errors from the visitor counter (${var.stage}). Ask ${local.url}/health, then look at the log."
  scopes              = [azurerm_function_app_flex_consumption.counter.id]
  severity            = 1
  frequency           = "PT5M"
  window_size         = "PT5M"
  tags                = local.tags

  criteria {
    metric_namespace = "Microsoft.Web/sites"
    metric_name      = "Http5xx"
    # Only the first requests will show whether this kind of plan has the metric.
    skip_metric_validation = true
    aggregation            = "Total"
    operator               = "GreaterThan"
    threshold              = 4
  }

  action {
    action_group_id = azurerm_monitor_action_group.owner.id
  }
}

# And this one sees what no visitor does: a report that was not sent, a function that could not start.
resource "azurerm_monitor_scheduled_query_rules_alert_v2" "errors" {
  count = var.log_alarm ? 1 : 0

  name                  = "${local.name}-errors"
  resource_group_name   = azurerm_resource_group.counter.name
  location              = azurerm_resource_group.counter.location
  description           = "The visitor counter (${var.stage}) wrote errors into its log: Application Insights ${local.name}, Failures or Logs."
  scopes                = [azurerm_application_insights.counter.id]
  severity              = 1
  evaluation_frequency  = "PT15M" # the cheapest; more often costs more
  window_duration       = "PT15M"
  skip_query_validation = true # the log's tables appear with their first lines
  tags                  = local.tags

  criteria {
    query                   = "union isfuzzy=true exceptions, (traces | where severityLevel >= 3)"
    time_aggregation_method = "Count"
    operator                = "GreaterThan"
    threshold               = 0
  }

  action {
    action_groups = [azurerm_monitor_action_group.owner.id]
  }
}

# Warns before a flood or a mistake becomes a bill. Azure knows the cost some hours later, and stops nothing.
resource "azurerm_consumption_budget_resource_group" "counter" {
  count = var.budget == 0 ? 0 : 1

  name              = local.name
  resource_group_id = azurerm_resource_group.counter.id
  amount            = var.budget
  time_grain        = "Monthly"

  time_period {
    start_date = formatdate("YYYY-MM-01'T'00:00:00Z", plantimestamp())
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 80
    threshold_type = "Actual"
    contact_emails = [var.email]
  }

  notification {
    operator       = "GreaterThan"
    threshold      = 100
    threshold_type = "Forecasted"
    contact_emails = [var.email]
  }

  lifecycle {
    ignore_changes = [time_period] # it began when it was made
  }
}
