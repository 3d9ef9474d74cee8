# The salt and the token are in Parameter Store, so that a lost state does not lose them. The function gets them as
# encrypted settings. Terraform's state has both in plain text: keep it private.

# The salt must live as long as the table: with a different one every visitor is new.
resource "aws_ssm_parameter" "salt" {
  #checkov:skip=CKV_AWS_337:AWS's own key encrypts it, which is free.
  name        = "/visitor-counter/${var.stage}/salt"
  description = "Salt of the visitor counter's hashes. With another one every visitor is new."
  type        = "SecureString"
  value       = var.salt == "" ? sensitive(replace("${uuid()}${uuid()}", "-", "")) : var.salt # 244 random bits

  lifecycle {
    ignore_changes = [value] # uuid() is another one at each apply

    postcondition {
      condition     = var.salt == "" || var.salt == self.value
      error_message = "This counter has another salt already, and with a new one every visitor is new. If you mean it: terraform apply -replace=aws_ssm_parameter.salt"
    }
  }
}

resource "aws_ssm_parameter" "report_token" {
  #checkov:skip=CKV_AWS_337:AWS's own key encrypts it, which is free.
  name        = "/visitor-counter/${var.stage}/report-token"
  description = "Opens /stats and /report of the visitor counter."
  type        = "SecureString"
  value       = var.report_token == "" ? sensitive(replace("${uuid()}${uuid()}", "-", "")) : var.report_token

  lifecycle {
    ignore_changes       = [value]
    replace_triggered_by = [terraform_data.report_token_version]

    postcondition {
      condition     = var.report_token == "" || var.report_token == self.value
      error_message = "report_token is not the one in use: raise report_token_version as well."
    }
  }
}

resource "terraform_data" "report_token_version" {
  input = var.report_token_version
}
