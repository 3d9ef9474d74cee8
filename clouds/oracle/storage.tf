# Holds counter.json and, for moments, its journal. Terraform makes neither: the function does, with its first visit, so
# no apply can ever write over the numbers.
resource "oci_objectstorage_bucket" "counter" {
  #checkov:skip=CKV_OCI_7:Nobody listens to events of these objects; each visit would be one.
  #checkov:skip=CKV_OCI_8:A version for each visit would fill the free 20 GB, and connect pages with visitors. The report keeps a copy each day.
  #checkov:skip=CKV_OCI_9:Oracle's own key encrypts it; a key of one's own is a thing more to lose, for salted hashes.
  count = var.bucket == "" ? 1 : 0

  compartment_id = var.compartment_ocid
  namespace      = local.namespace
  name           = local.name
  access_type    = "NoPublicAccess"
  storage_tier   = "Standard"
  versioning     = "Disabled"

  # All the numbers are in here. The README says how to take the rest away, and this last if you mean it.
  lifecycle {
    prevent_destroy = true
  }
}

locals {
  bucket = var.bucket == "" ? one(oci_objectstorage_bucket.counter[*].name) : var.bucket
}
