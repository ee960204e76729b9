variable "release" {
  description = "The directory of a release: what is on GitHub, or what infra/release.sh made."
  type        = string

  validation {
    condition     = fileexists("${var.release}/SHA256SUMS")
    error_message = "There is no release in that directory: it has no SHA256SUMS."
  }
}

variable "releases_before" {
  description = "Directories of earlier releases whose packages stay in the bucket: at least the one that ran before, whose packages CloudFormation needs where it takes an update back."
  type        = list(string)
  default     = []
}

variable "name" {
  description = "The stack's name."
  type        = string
  default     = "tenday"

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{0,60}$", var.name))
    error_message = "A stack's name has letters, digits and hyphens, and begins with a letter."
  }
}

variable "bucket" {
  description = "The bucket that takes the packages, in the stack's region; one is made where none is given."
  type        = string
  default     = null
}

variable "parameters" {
  description = "The template's parameters (docs/operations.md). What is not given has its default, or what the template says."
  type        = map(string)
  default     = { KeepTables = "true" }
}

variable "tags" {
  description = "Of everything that can have any."
  type        = map(string)
  default     = {}
}
