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
  value = (
    local.with_function == 0
    ? "Push an image as ${local.repository}:current (in Cloud Shell: clouds/oracle/push ${local.repository}), then apply again."
    : "${var.topic_ocid == "" ? "Open the link in Oracle's mail to ${var.email}, then" : "Now"} open ${local.url}/health. New rights take up to 15 minutes: until then it says unhealthy, or the gateway answers 502."
  )
}

output "how_to_read_the_token" {
  description = "The report token opens /stats and /report. It is not shown automatically."
  value       = "terraform output -raw report_token (in Resource Manager: Application information or Outputs, report_token, Show)"
}

output "report_token" {
  description = "Opens /stats and /report; the secret REPORT_TOKEN of the daily workflow."
  value       = local.report_token
  sensitive   = true
}

output "salt" {
  description = "Keep it with your backups: without its salt a counter.json recognizes no visitor."
  value       = local.settings.SALT
  sensitive   = true
}

output "repository" {
  description = "The repository to push this stage's image to."
  value       = local.repository
}

output "registry" {
  description = "What docker logs in to."
  value       = local.registry
}

output "function_id" {
  description = "The function; the pipeline's variable FUNCTION_OCID."
  value       = one(oci_functions_function.counter[*].id)
}

output "subnet_id" {
  description = "A second stage may use it as subnet_ocid: a free account may have only two networks."
  value       = local.subnet_id
}

output "bucket" {
  description = "Where the document is."
  value       = local.bucket
}
