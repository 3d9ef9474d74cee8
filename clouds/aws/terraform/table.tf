# Holds the counter's item and, in busy moments, its journal's. The function makes them, not Terraform, so no apply can
# ever overwrite the numbers.
locals {
  table_key = lookup(local.chosen, "TABLE_KEY", "counter_id") # the function reads the same setting
}

resource "aws_dynamodb_table" "counter" {
  #checkov:skip=CKV_AWS_119:AWS's own key encrypts it; your own key costs a dollar a month, for salted hashes.
  name         = var.table_name == "" ? local.name : var.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = local.table_key

  attribute {
    name = local.table_key
    type = "S"
  }

  # An older counter's item may have an expiry that is long past: DynamoDB would delete it, and the number with it. (If
  # the table's TTL uses another attribute, AWS refuses this: name that attribute here, once.)
  ttl {
    attribute_name = "ItemExpireTTL"
    enabled        = false
  }

  # Any second of the last 35 days can be restored, into a second table.
  point_in_time_recovery {
    enabled = true
  }

  # All the numbers are in here. The README says how to remove the rest, and finally this.
  deletion_protection_enabled = var.deletion_protection

  # Resources are destroyed in reverse order: while AWS refuses to delete the table, its salt stays as well.
  depends_on = [aws_ssm_parameter.salt]
}
