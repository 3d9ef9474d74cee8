# Holds the counter's item and, for moments, its journal's. Terraform makes neither: the function does, with its first
# visit, so no apply can ever write over the numbers.
locals {
  table_key = lookup(local.chosen, "TABLE_KEY", "counter_id") # the function reads the same setting
}

resource "aws_dynamodb_table" "counter" {
  #checkov:skip=CKV_AWS_119:AWS's own key encrypts it; a key of one's own costs a dollar a month, for salted hashes.
  name         = var.table_name == "" ? local.name : var.table_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = local.table_key

  attribute {
    name = local.table_key
    type = "S"
  }

  # An older counter's item may have an expiry that is long past: DynamoDB would delete it, and the number with it. (A
  # table whose TTL goes by another attribute makes AWS refuse this: name that attribute here, once.)
  ttl {
    attribute_name = "ItemExpireTTL"
    enabled        = false
  }

  # Any second of the last 35 days can be restored, into a table beside this one.
  point_in_time_recovery {
    enabled = true
  }

  # All the numbers are in here. The README says how to take the rest away, and this last if you mean it.
  deletion_protection_enabled = var.deletion_protection

  # Things go in the opposite order: while AWS refuses to delete the table, its salt stays as well.
  depends_on = [aws_ssm_parameter.salt]
}
