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
  value       = "Open the links in AWS's two mails to ${var.email}, then check that it works: make check URL=${local.url}"
}

output "how_to_read_the_token" {
  description = "The report token opens /stats and /report. It is not shown automatically."
  value       = "terraform output -raw report_token (in the console: Systems Manager, Parameter Store, ${aws_ssm_parameter.report_token.name})"
}

output "report_token" {
  description = "Opens /stats and /report; the secret REPORT_TOKEN of the workflows."
  value       = aws_ssm_parameter.report_token.value
  sensitive   = true
}

output "salt" {
  description = "Keep it with your backups: the numbers are worth little without their salt."
  value       = aws_ssm_parameter.salt.value
  sensitive   = true
}

output "table" {
  description = "Where the counter's item is."
  value       = aws_dynamodb_table.counter.name
}

output "function" {
  description = "The function; the pipeline's variable FUNCTION."
  value       = aws_lambda_function.counter.function_name
}

output "live_version" {
  description = "The version that visitors get."
  value       = aws_lambda_alias.live.function_version
}

output "github_oidc_provider_arn" {
  description = "For the second stage's github_oidc_provider_arn."
  value       = local.github_provider
}

output "pipeline_role_arn" {
  description = "Who the pipeline is while it ships to this stage; its variable AWS_ROLE."
  value       = one(aws_iam_role.pipeline[*].arn)
}

output "plan_role_arn" {
  description = "Who a pull request is while it plans; the variable AWS_ROLE of the environment aws-plan."
  value       = one(aws_iam_role.plan[*].arn)
}

output "domain_target" {
  description = "Where the name of your domain must lead: a CNAME or an alias to this."
  value       = one(aws_apigatewayv2_domain_name.own[*].domain_name_configuration[0].target_domain_name)
}

output "api_key" {
  description = "What pages send as X-Api-Key, where api_key asks for one."
  value       = one(aws_api_gateway_api_key.pages[*].value)
  sensitive   = true
}
