# A public subnet, for the gateway's address and the function's access to Object Storage. Nothing is made if you give a
# subnet.
locals {
  own_network = var.subnet_ocid == "" ? 1 : 0
  subnet_id   = var.subnet_ocid == "" ? one(oci_core_subnet.public[*].id) : var.subnet_ocid
}

resource "oci_core_vcn" "counter" {
  count = local.own_network

  compartment_id = var.compartment_ocid
  display_name   = local.name
  cidr_blocks    = ["10.0.0.0/24"]
  dns_label      = "counter"
}

resource "oci_core_internet_gateway" "counter" {
  count = local.own_network

  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.counter[0].id
  display_name   = local.name
  enabled        = true
}

resource "oci_core_route_table" "public" {
  count = local.own_network

  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.counter[0].id
  display_name   = local.name

  route_rules {
    destination       = "0.0.0.0/0"
    destination_type  = "CIDR_BLOCK"
    network_entity_id = oci_core_internet_gateway.counter[0].id
  }
}

resource "oci_core_security_list" "public" {
  #checkov:skip=CKV_OCI_17:A stateless list would have to open all high ports for the answers.
  count = local.own_network

  compartment_id = var.compartment_ocid
  vcn_id         = oci_core_vcn.counter[0].id
  display_name   = local.name

  ingress_security_rules {
    description = "Visitors, to the gateway"
    protocol    = "6" # TCP
    source      = "0.0.0.0/0"

    tcp_options {
      min = 443
      max = 443
    }
  }

  egress_security_rules {
    description = "The gateway to the function, the function to Object Storage and Notifications, the image's download"
    protocol    = "6" # TCP
    destination = "0.0.0.0/0"

    tcp_options {
      min = 443
      max = 443
    }
  }

  egress_security_rules {
    description = "Names, from the network's own resolver"
    protocol    = "17" # UDP
    destination = "169.254.169.254/32"

    udp_options {
      min = 53
      max = 53
    }
  }
}

resource "oci_core_subnet" "public" {
  count = local.own_network

  compartment_id             = var.compartment_ocid
  vcn_id                     = oci_core_vcn.counter[0].id
  display_name               = local.name
  cidr_block                 = "10.0.0.0/24"
  dns_label                  = "public"
  route_table_id             = oci_core_route_table.public[0].id
  security_list_ids          = [oci_core_security_list.public[0].id]
  prohibit_public_ip_on_vnic = false
}
