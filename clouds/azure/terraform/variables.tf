variable "subscription_id" {
  description = "Your subscription: `az account show --query id --output tsv` prints it."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", lower(var.subscription_id)))
    error_message = "subscription_id is five groups of letters and digits. Ask: az account show --query id --output tsv"
  }
}

variable "location" {
  description = "The region, as in germanywestcentral. Not every region has Flex Consumption: az functionapp list-flexconsumption-locations --output table"
  type        = string

  validation {
    condition     = can(regex("^[a-z]+[a-z0-9]*$", var.location))
    error_message = "location is a region's short name, like germanywestcentral or eastus2: small letters and digits."
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
  description = "Who gets the daily report, the alarms and the budget's warning."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s,;<>\"]+@[^@\\s,;<>\"]+\\.[^@\\s,;<>\".]+$", var.email))
    error_message = "email is one e-mail address, like you@example.com, without a name or brackets around it."
  }
}

variable "mail_location" {
  description = "Where the mail service stores its data, one of Azure's names: Europe, United States, Asia Pacific and some more."
  type        = string
  default     = "Europe"

  validation {
    condition = contains([
      "Africa", "Asia Pacific", "Australia", "Brazil", "Canada", "Europe", "France", "Germany", "India", "Japan",
      "Korea", "Norway", "Switzerland", "UAE", "UK", "United States",
    ], var.mail_location)
    error_message = "mail_location is Africa, Asia Pacific, Australia, Brazil, Canada, Europe, France, Germany, India, Japan, Korea, Norway, Switzerland, UAE, UK or United States."
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
}

variable "count_on" {
  description = "GET counts a visit with GET and POST; with POST a GET only reads."
  type        = string
  default     = "GET"

  validation {
    condition     = contains(["GET", "POST"], var.count_on)
    error_message = "count_on is GET or POST."
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

variable "report_hour_utc" {
  description = "The hour, in UTC, at which the report is sent. On Linux the platform's timer knows only UTC."
  type        = number
  default     = 6

  validation {
    condition     = contains(range(24), var.report_hour_utc)
    error_message = "report_hour_utc is a whole number from 0 to 23."
  }
}

variable "settings" {
  description = "Further settings of the function, named as in docs/settings.md: settings = { PAGES = \"50\" }. They override variables with the same meaning."
  type        = map(string)
  default     = {}

  # The function reports invalid settings at /health. Only those that the stack itself must know are refused here.
  validation {
    condition = alltrue([
      for name in keys(var.settings) :
      can(regex("^[A-Z][A-Z0-9_]*$", name)) && !contains(["SALT", "REPORT_TOKEN", "EMAIL_ENDPOINT", "EMAIL_FROM", "EMAIL_TO"], name)
    ])
    error_message = "settings has names in capital letters, like COUNT_ON. SALT, REPORT_TOKEN and EMAIL_TO have their own variables: salt, report_token and email."
  }
}

variable "python_version" {
  description = "The Python that the zip was built for."
  type        = string
  default     = "3.12"

  validation {
    condition     = contains(["3.11", "3.12", "3.13"], var.python_version)
    error_message = "python_version is 3.11, 3.12 or 3.13, in quotes, and the one that the zip was built for."
  }
}

variable "maximum_instances" {
  description = "How many copies of the function may run at once, which limits what a flood can cost. All write the same document, so more help little."
  type        = number
  default     = 10

  validation {
    condition     = var.maximum_instances >= 1 && var.maximum_instances <= 1000 && floor(var.maximum_instances) == var.maximum_instances
    error_message = "maximum_instances is a whole number from 1 to 1000. 10 is plenty."
  }
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([30, 60, 90, 120, 180, 270, 365], var.log_retention_days)
    error_message = "log_retention_days is 30, 60, 90, 120, 180, 270 or 365: Azure has no others."
  }
}

variable "log_alarm" {
  description = "Check the log for errors every 15 minutes. This alone has a fixed cost: half a dollar a month."
  type        = bool
  default     = true
}

variable "budget" {
  description = "A mail is sent when this counter is about to cost more than this in a month, in your subscription's currency. 0: no budget."
  type        = number
  default     = 5

  validation {
    condition     = var.budget >= 0
    error_message = "budget is an amount of money, or 0 for no budget."
  }
}

variable "owner_object_id" {
  description = "Empty, or your own id, to look at the table in the portal: az ad signed-in-user show --query id --output tsv"
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})?$", lower(var.owner_object_id)))
    error_message = "owner_object_id is empty, or an id of five groups. Ask: az ad signed-in-user show --query id --output tsv"
  }
}

variable "salt" {
  description = "Empty: a random salt is made. To take over an older counter's document, set its salt before the first visit."
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
    condition     = var.report_token == "" || can(regex("^[A-Za-z0-9._~+/=-]{24,200}$", var.report_token))
    error_message = "report_token is empty, or 24 to 200 letters, digits and . _ ~ + / = -"
  }
}

variable "report_token_version" {
  description = "Raise this number, and apply, to get a new random report token. The old one stops working when the running containers are replaced."
  type        = number
  default     = 1
}

variable "github_repository" {
  description = "Empty, or the repository whose pipeline may ship to this stage, with GitHub's ids: OWNER@ID/REPOSITORY@ID. One made before 15 July 2026 and not renamed since is OWNER/REPOSITORY."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9-]+/[A-Za-z0-9._-]+|[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)?$", var.github_repository))
    error_message = "github_repository is empty, or like OWNER@ID/REPOSITORY@ID, or OWNER/REPOSITORY, without https://github.com/"
  }
}

variable "state_container_id" {
  description = "Empty, or the id of the blob container that this stage's state is kept in: then pull requests may show what an apply would change."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\\.Storage/storageAccounts/[^/]+/blobServices/default/containers/[^/]+)?$", var.state_container_id))
    error_message = "state_container_id is empty, or like /subscriptions/.../storageAccounts/NAME/blobServices/default/containers/tfstate"
  }
}
