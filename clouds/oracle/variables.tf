variable "tenancy_ocid" {
  description = "Your tenancy. Resource Manager and Cloud Shell know it; otherwise see Profile > Tenancy in the console."
  type        = string

  validation {
    condition     = can(regex("^ocid1\\.tenancy\\.[^\\s]+$", var.tenancy_ocid))
    error_message = "tenancy_ocid starts with ocid1.tenancy. Copy it from Profile > Tenancy in the Oracle console."
  }
}

variable "compartment_ocid" {
  description = "Where everything goes. A separate compartment is tidy; the tenancy's OCID works too."
  type        = string

  validation {
    condition     = can(regex("^ocid1\\.(compartment|tenancy)\\.[^\\s]+$", var.compartment_ocid))
    error_message = "compartment_ocid starts with ocid1.compartment (or ocid1.tenancy, for the root). Copy it from Identity > Compartments in the Oracle console."
  }
}

variable "region" {
  description = "The region, as in eu-frankfurt-1. A free account has one: its home region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,3}(-[a-z0-9]+)+-[0-9]+$", var.region))
    error_message = "region is a name like eu-frankfurt-1 or us-ashburn-1. The address of the Oracle console has it after region=."
  }
}

variable "stage" {
  description = "The name of this counter. A second counter has another stage, like staging, and shares nothing with the first."
  type        = string
  default     = "production"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.stage))
    error_message = "stage is one short word of lower-case letters and digits, like production or staging: 2 to 15 characters, the first a letter."
  }
}

variable "email" {
  description = "Who gets the daily report and the alarms. Oracle first sends a mail with a link to confirm."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s,;<>\"]+@[^@\\s,;<>\"]+\\.[^@\\s,;<>\".]+$", var.email))
    error_message = "email is one e-mail address, like you@example.com, without a name or brackets around it."
  }
}

variable "allowed_origins" {
  description = "Whose pages may read the answers and are counted: * for everybody, or a comma-separated list of origins."
  type        = string
  default     = "*"

  # The function checks the same; this reports it before anything is built.
  validation {
    condition = trimspace(var.allowed_origins) == "*" || alltrue([
      for origin in split(",", var.allowed_origins) :
      can(regex("^https?://([a-z0-9.-]+|\\[[0-9a-f:.]+\\])(:[0-9]{1,5})?$", lower(trimspace(origin))))
    ])
    error_message = "allowed_origins is * or a comma-separated list like https://example.com,https://www.example.com: with https://, without a path and without a slash at the end."
  }

  validation {
    condition     = length(var.allowed_origins) <= 2000
    error_message = "allowed_origins is too long: Oracle gives a function 4 KB for all its settings together."
  }
}

variable "site_name" {
  description = "The name in the report's title, like My site. May be empty."
  type        = string
  default     = ""

  validation {
    condition     = length(var.site_name) <= 60 && !can(regex("[\\r\\n\\t]", var.site_name))
    error_message = "site_name is one line of at most 60 characters."
  }
}

variable "timezone" {
  description = "When a day begins: UTC, or a name like Europe/Berlin."
  type        = string
  default     = "UTC"

  validation {
    condition     = can(regex("^(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2})$", var.timezone))
    error_message = "timezone is UTC or a name with a slash, like Europe/Berlin or America/New_York. Short forms like CET or EST have no summer time."
  }
}

variable "settings" {
  description = "Further settings of the function, named as in docs/settings.md: settings = { COUNT_ON = \"POST\" }. They override variables with the same meaning."
  type        = map(string)
  default     = {}

  # The function reports invalid settings at /health. Only those that the stack itself must know are refused here.
  validation {
    condition = alltrue([
      for name in keys(var.settings) :
      can(regex("^[A-Z][A-Z0-9_]*$", name)) && !contains(["SALT", "REPORT_TOKEN", "NAMESPACE", "BUCKET", "OBJECT", "TOPIC_OCID"], name)
    ])
    error_message = "settings has names in capital letters, like COUNT_ON. SALT, REPORT_TOKEN, BUCKET, OBJECT and TOPIC_OCID have their own variables: salt, report_token, bucket, object and topic_ocid."
  }
}

variable "more_settings" {
  description = "The same in one line, for Resource Manager's form, which has no maps: COUNT_ON=POST; IGNORE_CRAWLERS=false"
  type        = string
  default     = ""

  validation {
    condition = alltrue([
      for line in compact([for line in split(";", replace(var.more_settings, "\n", ";")) : trimspace(line)]) :
      can(regex("^[A-Z][A-Z0-9_]*\\s*=", line)) && !can(regex("^(SALT|REPORT_TOKEN|NAMESPACE|BUCKET|OBJECT|TOPIC_OCID)\\s*=", line))
    ])
    error_message = "more_settings is like COUNT_ON=POST; IGNORE_CRAWLERS=false, with the names in docs/settings.md. The salt, the token, the bucket, the object and the topic have their own fields."
  }
}

variable "bucket" {
  description = "Empty: a bucket is made. Or the name of the bucket that an older counter's document is in, in the same compartment."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{0,256}$", var.bucket))
    error_message = "bucket is empty, or the name of a bucket: letters, digits and . _ -."
  }
}

variable "object" {
  description = "The name of the counter's document in the bucket. A different one is a new counter, which starts at 0."
  type        = string
  default     = "counter.json"

  # A * or a quote would open more of the bucket to the function than its own objects.
  validation {
    condition     = can(regex("^[A-Za-z0-9._/-]{1,200}$", var.object))
    error_message = "object is 1 to 200 letters, digits and . _ / -."
  }
}

variable "topic_ocid" {
  description = "Empty: a topic is made, and your address subscribed. Or an existing Notifications topic, with its subscribers, in the same compartment."
  type        = string
  default     = ""

  validation {
    condition     = var.topic_ocid == "" || can(regex("^ocid1\\.onstopic\\.[^\\s]+$", var.topic_ocid))
    error_message = "topic_ocid is empty, or starts with ocid1.onstopic. Copy it from Developer Services > Notifications > your topic."
  }
}

variable "path_prefix" {
  description = "Empty: addresses begin with /v1 (or /STAGE/v1). Or the beginning of an older counter's addresses: / for the root."
  type        = string
  default     = ""

  validation {
    condition     = var.path_prefix == "" || var.path_prefix == "/" || can(regex("^(/[A-Za-z0-9._-]+)+$", var.path_prefix))
    error_message = "path_prefix is empty, / or like /v1 or /my/counter: it begins with a slash and does not end with one."
  }
}

variable "image" {
  description = "Normally empty: then the image that is tagged `current` in this stage's registry repository is used, if there is one. Or a full name with its tag, and a digest if you like."
  type        = string
  default     = ""

  validation {
    condition = var.image == "" || can(regex(
      "^([a-z0-9-]+\\.ocir\\.io|ocir\\.[a-z0-9-]+\\.oci\\.oraclecloud\\.com)/[a-z0-9._/-]+:[A-Za-z0-9_][A-Za-z0-9_.-]*(@sha256:[0-9a-f]{64})?$", var.image
    ))
    error_message = "image is empty, or the full name of an image in Oracle's registry with its tag, like fra.ocir.io/mytenancy/visitor-counter-production:1.0 (and @sha256:... if you like)."
  }
}

variable "memory_in_mbs" {
  description = "The function's memory. More memory is also more CPU: at 256 a cold start takes a few seconds."
  type        = number
  default     = 256

  validation {
    condition     = contains([128, 256, 512, 1024, 2048, 3072], var.memory_in_mbs)
    error_message = "memory_in_mbs is one of the sizes that Oracle Functions has: 128, 256, 512, 1024, 2048 or 3072."
  }
}

variable "subnet_ocid" {
  description = "Empty: a small network is made. Or an existing public subnet, with internet access and port 443 open; a free account may have only two networks."
  type        = string
  default     = ""

  validation {
    condition     = var.subnet_ocid == "" || can(regex("^ocid1\\.subnet\\.[^\\s]+$", var.subnet_ocid))
    error_message = "subnet_ocid is empty, or starts with ocid1.subnet. Copy it from Networking > Virtual cloud networks > your network > Subnets."
  }
}

variable "requests_per_second" {
  description = "How many requests a second one address may make before the gateway answers 429."
  type        = number
  default     = 10

  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 1000 && floor(var.requests_per_second) == var.requests_per_second
    error_message = "requests_per_second is a whole number from 1 to 1000. 10 is plenty for a person with a browser."
  }
}

variable "log_retention_days" {
  description = "How long the logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180], var.log_retention_days)
    error_message = "log_retention_days is 30, 60, 90, 120, 150 or 180: Oracle keeps logs in steps of 30 days."
  }
}

variable "gateway_access_log" {
  description = "Log every request, with the visitor's address, browser and id. The counter itself never keeps these, so this is off."
  type        = bool
  default     = false
}

variable "schedule_report" {
  description = "Let Oracle's own scheduler call for the report once a day. With false the GitHub workflow daily-report.yml can; with both you get two mails."
  type        = bool
  default     = true
}

variable "report_hour_utc" {
  description = "The hour, in UTC, at which the report is sent."
  type        = number
  default     = 6

  validation {
    condition     = contains(range(24), var.report_hour_utc)
    error_message = "report_hour_utc is a whole number from 0 to 23."
  }
}

variable "salt" {
  description = "Empty: a random salt is made. Set it if you use an older counter's counter.json: with a different salt every visitor is new."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = trimspace(var.salt) == var.salt && length(var.salt) <= 200
    error_message = "salt has no spaces around it and at most 200 characters."
  }
}

variable "report_token" {
  description = "Empty: a random token is made. Or your own; it opens /stats and /report."
  type        = string
  default     = ""
  sensitive   = true

  validation {
    condition     = var.report_token == "" || can(regex("^[A-Za-z0-9._~+/=-]{8,200}$", var.report_token))
    error_message = "report_token is empty, or 8 to 200 letters, digits and . _ ~ + / = -."
  }
}

variable "report_token_version" {
  description = "Raise this number, and apply, to get a new report token. The old one stops working when the running containers are replaced."
  type        = number
  default     = 1
}
