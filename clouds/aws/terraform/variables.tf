variable "region" {
  description = "The region, like eu-central-1. Any works; one near your visitors is faster."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is a name like eu-central-1 or us-east-1, shown in the top right corner of the AWS console."
  }
}

variable "stage" {
  description = "The name of this counter: blue is the one that visitors see, green the one where a change is tried first."
  type        = string
  default     = "blue"

  validation {
    condition     = can(regex("^[a-z][a-z0-9]{1,14}$", var.stage))
    error_message = "stage is one short word of lower-case letters and digits, like blue or green: 2 to 15 characters, the first a letter."
  }
}

variable "email" {
  description = "Who gets the daily report, the alarms and the budget's warning. AWS first sends two mails with a link to confirm."
  type        = string

  validation {
    condition     = can(regex("^[^@\\s,;<>\"]+@[^@\\s,;<>\"]+\\.[^@\\s,;<>\".]+$", var.email))
    error_message = "email is one e-mail address, like you@example.com, without a name or brackets around it."
  }
}

variable "zip" {
  description = "The function's archive, as `python -m clouds.bundle aws --zip build/aws.zip` makes it in the repository's root."
  type        = string
  default     = "../../../build/aws.zip"

  validation {
    condition     = fileexists(var.zip)
    error_message = "zip must name a file that exists. Make it in the repository's root: python -m clouds.bundle aws --zip build/aws.zip"
  }
}

variable "live_version" {
  description = "Normally empty: then the newest version is live. Or the number of an older one, to go back and stay there."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([1-9][0-9]*)?$", var.live_version))
    error_message = "live_version is empty, or the number of a version, like 6. The console shows them under Versions of the function."
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
    error_message = "allowed_origins is too long: AWS gives a function 4 KB for all its settings together."
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
  description = "When a day begins, and by which clock the report is sent: UTC, or a name like Europe/Berlin."
  type        = string
  default     = "UTC"

  validation {
    condition     = can(regex("^(UTC|[A-Z][A-Za-z_]+(/[A-Z][A-Za-z0-9_+-]+){1,2})$", var.timezone))
    error_message = "timezone is UTC or a name with a slash, like Europe/Berlin or America/New_York. Short forms like CET or EST have no summer time."
  }
}

variable "table_name" {
  description = "Normally empty: then the table is visitor-counter-STAGE. Or the name of a table of an older counter that was imported."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([A-Za-z0-9_.-]{3,255})?$", var.table_name))
    error_message = "table_name is empty, or 3 to 255 of the characters A-Z a-z 0-9 _ . -"
  }
}

variable "counter_id" {
  description = "The key of the counter's item in the table. A different one is a new counter, which starts at 0."
  type        = string
  default     = "counter"

  # A * or ? would open more of the table to the function than its own items.
  validation {
    condition     = can(regex("^[A-Za-z0-9._:-]{1,100}$", var.counter_id))
    error_message = "counter_id is 1 to 100 of the characters A-Z a-z 0-9 . _ : -"
  }
}

variable "deletion_protection" {
  description = "AWS refuses to delete the table while this is true. Set it to false, and apply, before you remove everything."
  type        = bool
  default     = true
}

variable "settings" {
  description = "Further settings of the function, named as in docs/settings.md: settings = { PAGES = \"50\" }. They override variables with the same meaning."
  type        = map(string)
  default     = {}

  # The function reports invalid settings at /health. Only those that the stack itself must know are refused here.
  validation {
    condition = alltrue([
      for name in keys(var.settings) :
      can(regex("^[A-Z][A-Z0-9_]*$", name)) && !contains(["SALT", "REPORT_TOKEN", "TABLE_NAME", "COUNTER_ID", "TOPIC_ARN"], name)
    ])
    error_message = "settings has names in capital letters, like COUNT_ON. SALT, REPORT_TOKEN, TABLE_NAME and COUNTER_ID have their own variables: salt, report_token, table_name and counter_id."
  }
  validation {
    condition     = sum(concat([0], [for name, value in var.settings : length(name) + length(value)])) <= 3000
    error_message = "settings is too long: AWS gives a function 4 KB for all its settings together."
  }
}

variable "gateway" {
  description = "The kind of gateway: http, the cheaper one, or rest, for pages and tests that expect a REST API. Changing it changes the address."
  type        = string
  default     = "http"

  validation {
    condition     = contains(["http", "rest"], var.gateway)
    error_message = "gateway is http or rest."
  }
}

variable "api_key" {
  description = "With gateway = \"rest\": answer only calls with the API key in X-Api-Key. The key is in every page, so it is no secret."
  type        = bool
  default     = false
}

variable "domain" {
  description = "Empty, or your own domain for the counter, like count.example.com. It needs certificate_arn, and a DNS entry that points to the output domain_target."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9-]+(\\.[a-z0-9-]+)+)?$", var.domain))
    error_message = "domain is empty, or a name like count.example.com, in lower case, without https:// and without a slash."
  }
}

variable "certificate_arn" {
  description = "With domain: the certificate for it, from AWS Certificate Manager in the same region."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+)?$", var.certificate_arn))
    error_message = "certificate_arn is empty, or like arn:aws:acm:eu-central-1:123456789012:certificate/..., from Certificate Manager."
  }
}

variable "memory_mb" {
  description = "The function's memory. More memory is also more CPU, which only matters at a cold start."
  type        = number
  default     = 512

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 3008 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb is a whole number from 128 to 3008, the most that a new account has."
  }
}

variable "requests_per_second" {
  description = "How many requests a second the gateway lets through, for all visitors together, before it answers 429. A short burst may be twice that."
  type        = number
  default     = 50

  validation {
    condition     = var.requests_per_second >= 1 && var.requests_per_second <= 2500 && floor(var.requests_per_second) == var.requests_per_second
    error_message = "requests_per_second is a whole number from 1 to 2500."
  }
}

variable "log_retention_days" {
  description = "How long the log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_retention_days)
    error_message = "log_retention_days is 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365: AWS has no others."
  }
}

variable "schedule_report" {
  description = "Let AWS's own scheduler call for the report once a day. Without it, the GitHub workflow daily-report.yml can."
  type        = bool
  default     = true
}

variable "report_hour" {
  description = "The hour, in timezone, at which the report is sent."
  type        = number
  default     = 6

  validation {
    condition     = contains(range(24), var.report_hour)
    error_message = "report_hour is a whole number from 0 to 23."
  }
}

variable "budget_usd" {
  description = "A mail is sent when the whole account is about to cost more dollars than this in a month. 0: no budget."
  type        = number
  default     = 1

  validation {
    condition     = var.budget_usd >= 0
    error_message = "budget_usd is an amount of dollars, or 0 for no budget."
  }
}

variable "salt" {
  description = "Empty: a random salt is made. To take over an older counter's numbers, set its salt before the first apply."
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
  description = "Raise this number, and apply, to get a new report token. The old one stops working when the running containers are replaced."
  type        = number
  default     = 1
}

variable "github_repository" {
  description = "Empty, or the repository whose pipeline may ship to this stage, with GitHub's ids: OWNER@ID/REPOSITORY@ID. One made before 15 July 2026 and not renamed since is OWNER/REPOSITORY."
  type        = string
  default     = ""

  # A * would let others in.
  validation {
    condition     = can(regex("^([A-Za-z0-9-]+/[A-Za-z0-9._-]+|[A-Za-z0-9-]+@[0-9]+/[A-Za-z0-9._-]+@[0-9]+)?$", var.github_repository))
    error_message = "github_repository is empty, or like OWNER@ID/REPOSITORY@ID, or OWNER/REPOSITORY, without https://github.com/"
  }
}

variable "github_oidc_provider_arn" {
  description = "Empty: this stage makes AWS trust GitHub's tokens. An account can do so only once: give a second stage the first one's output."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^(arn:aws[a-z-]*:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com)?$", var.github_oidc_provider_arn))
    error_message = "github_oidc_provider_arn is empty, or the output github_oidc_provider_arn of the first stage."
  }
}

variable "state_bucket" {
  description = "Empty, or the S3 bucket that this stage's state is kept in: then pull requests may show what an apply would change."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$", var.state_bucket))
    error_message = "state_bucket is empty, or the name of an S3 bucket, without s3://"
  }
}
