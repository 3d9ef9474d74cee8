# Holds counter.json and, in busy moments, its journal. The function makes both, not Terraform, so no apply can ever
# overwrite the numbers.
resource "oci_objectstorage_bucket" "counter" {
  #checkov:skip=CKV_OCI_7:Nothing uses events of these objects; each visit would be one.
  #checkov:skip=CKV_OCI_8:A version for each visit would fill the free 20 GB, and link pages to visitors. The report keeps a copy each day.
  #checkov:skip=CKV_OCI_9:Oracle's own key encrypts it; your own key is one more thing to lose, for salted hashes.
  count = var.bucket == "" ? 1 : 0

  compartment_id = var.compartment_ocid
  namespace      = local.namespace
  name           = local.name
  access_type    = "NoPublicAccess"
  storage_tier   = "Standard"
  versioning     = "Disabled"

  # All the numbers are in here. The README says how to remove the rest, and finally this.
  lifecycle {
    prevent_destroy = true
  }
}

locals {
  bucket = var.bucket == "" ? one(oci_objectstorage_bucket.counter[*].name) : var.bucket
}
