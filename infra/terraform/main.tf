# Deploys a release of Tenday as it is: the packages go to a bucket, and the release's own template becomes a stack. Nothing of
# the template is told again here; what it makes is CloudFormation's to look after.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.40, < 7.0"
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}
data "aws_partition" "current" {}

locals {
  # (directory, file, sum) of the packages and the templates of each release, the newest last: a file that two of them have is
  # the same file. The rest of a release is for people.
  files = flatten([
    for directory in concat(var.releases_before, [var.release]) : [
      for line in compact(split("\n", file("${directory}/SHA256SUMS"))) :
      { directory = directory, name = split("  ", line)[1], sum = split("  ", line)[0] }
      if can(regex("\\.(zip|yaml)$", line))
    ]
  ])
  artefacts = { for file in local.files : file.name => file... }
  template = one([
    for file in local.files : file.name
    if file.directory == var.release && can(regex("^template-.+-[0-9a-f]{16}\\.yaml$", file.name))
  ])
  bucket = var.bucket != null ? var.bucket : aws_s3_bucket.artefacts[0].bucket
  # Another where anything of the stack is another, so that the functions take it up (docs/deploy.md, Versions).
  revision = substr(sha256(jsonencode([local.template, local.bucket, var.parameters])), 0, 16)
}

resource "aws_s3_bucket" "artefacts" {
  count  = var.bucket == null ? 1 : 0
  bucket = "tenday-artefacts-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}"
  tags   = var.tags
}

resource "aws_s3_bucket_public_access_block" "artefacts" {
  count                   = var.bucket == null ? 1 : 0
  bucket                  = aws_s3_bucket.artefacts[0].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artefacts" {
  count  = var.bucket == null ? 1 : 0
  bucket = aws_s3_bucket.artefacts[0].id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

# By their names nothing is ever overwritten that a stack still runs. An older release's objects leave when its directory is no
# longer named, after the stack has moved on.
resource "aws_s3_object" "artefacts" {
  for_each    = local.artefacts
  bucket      = local.bucket
  key         = "tenday/${each.key}"
  source      = "${each.value[0].directory}/${each.key}"
  source_hash = each.value[0].sum

  lifecycle {
    create_before_destroy = true
    precondition {
      condition     = filesha256("${each.value[0].directory}/${each.key}") == each.value[0].sum
      error_message = "${each.key} is not the file that SHA256SUMS names: fetch the release again."
    }
  }
}

resource "aws_cloudformation_stack" "tenday" {
  name         = var.name
  template_url = "https://s3.${data.aws_region.current.name}.${data.aws_partition.current.dns_suffix}/${local.bucket}/tenday/${local.template}"
  capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
  parameters   = merge({ Revision = local.revision }, var.parameters, { ArtefactsBucket = local.bucket })
  # Keeps any update from replacing or deleting what holds data.
  policy_body = file("${var.release}/stack-policy.json")
  tags        = merge(var.tags, { application = "tenday" })

  depends_on = [aws_s3_object.artefacts]

  timeouts {
    create = "30m"
    # By steps, a release takes up to half an hour longer, and as long where it is taken back.
    update = "90m"
  }

  lifecycle {
    prevent_destroy = true
    precondition {
      condition     = !contains(keys(var.parameters), "ArtefactsBucket")
      error_message = "The bucket is given as `bucket`."
    }
  }
}
