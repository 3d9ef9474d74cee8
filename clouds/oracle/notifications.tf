# The daily report and the alarms, by mail.
resource "oci_ons_notification_topic" "counter" {
  compartment_id = var.compartment_ocid
  name           = local.name
  description    = "Reports and alarms of the visitor counter (${var.stage})"
}

# Nothing is mailed before the link in Oracle's first mail was opened.
resource "oci_ons_subscription" "owner" {
  compartment_id = var.compartment_ocid
  topic_id       = oci_ons_notification_topic.counter.id
  protocol       = "EMAIL"
  endpoint       = var.email
}
