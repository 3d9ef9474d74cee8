# Oracle Functions run images from the registry of their own region only, so this stage has its own repository.
resource "oci_artifacts_container_repository" "counter" {
  compartment_id = var.compartment_ocid
  display_name   = local.name
  is_public      = false
}

data "oci_objectstorage_namespace" "tenancy" {
  compartment_id = var.tenancy_ocid
}

data "oci_identity_regions" "here" {
  filter {
    name   = "name"
    values = [var.region]
  }
}

# For the whole compartment, not the repository, which does not exist yet at the first apply.
data "oci_artifacts_container_images" "current" {
  compartment_id = var.compartment_ocid
  version        = "current"
  state          = "AVAILABLE"
}

locals {
  namespace  = data.oci_objectstorage_namespace.tenancy.namespace
  registry   = "${lower(data.oci_identity_regions.here.regions[0].key)}.ocir.io"
  repository = "${local.registry}/${local.namespace}/${local.name}"

  pushed = flatten([
    for page in data.oci_artifacts_container_images.current.container_image_collection :
    [for image in page.items : image.digest if image.repository_name == local.name]
  ])

  image = (
    var.image != "" ? split("@", var.image)[0] :
    length(local.pushed) > 0 ? "${local.repository}:current" : ""
  )
  image_digest = (
    var.image != "" ? try(split("@", var.image)[1], null) :
    length(local.pushed) > 0 ? local.pushed[0] : null
  )

  # Without an image there can be no function. Everything else is made, and the second apply adds the function.
  with_function = local.image == "" ? 0 : 1
}

check "image" {
  assert {
    condition     = local.image != ""
    error_message = "There is no image yet, so everything except the function is made. Push one as ${local.repository}:current, then apply again; the output next_step says how."
  }
}
