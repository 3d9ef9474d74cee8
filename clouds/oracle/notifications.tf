# The daily report and the alarms, by mail. Nothing is made if you give a topic: it has its own subscribers.
locals {
  own_topic = var.topic_ocid == "" ? 1 : 0
  topic     = var.topic_ocid == "" ? one(oci_ons_notification_topic.counter[*].id) : var.topic_ocid
}

resource "oci_ons_notification_topic" "counter" {
  count = local.own_topic

  compartment_id = var.compartment_ocid
  name           = local.name
  description    = "Reports and alarms of the visitor counter (${var.stage})"
}

# Nothing is mailed until the link in Oracle's first mail is opened.
resource "oci_ons_subscription" "owner" {
  count = local.own_topic

  compartment_id = var.compartment_ocid
  topic_id       = local.topic
  protocol       = "EMAIL"
  endpoint       = var.email
}
