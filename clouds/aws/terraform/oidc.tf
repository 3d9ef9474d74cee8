# GitHub signs a token that names a job's repository and environment. AWS checks it and gives out a session of an hour,
# so there is no key to keep or lose.
locals {
  with_github     = var.github_repository == "" ? 0 : 1
  with_plan       = var.github_repository == "" || var.state_bucket == "" ? 0 : 1
  github_provider = var.github_oidc_provider_arn == "" ? one(aws_iam_openid_connect_provider.github[*].arn) : var.github_oidc_provider_arn
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_oidc_provider_arn == "" ? local.with_github : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github" {
  for_each = toset(["aws-${var.stage}", "aws-plan"])

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = local.github_provider[*]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    # The environment's rules in GitHub decide who may use it and from which branch.
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${each.key}"]
    }
  }
}

resource "aws_iam_role" "pipeline" {
  count = local.with_github

  name                 = "${local.name}-pipeline"
  description          = "Ships code to the visitor counter (${var.stage}), and nothing else"
  assume_role_policy   = data.aws_iam_policy_document.github["aws-${var.stage}"].json
  max_session_duration = 3600
}

# Code, never settings or rights: whoever takes over the pipeline cannot get more rights.
data "aws_iam_policy_document" "pipeline" {
  statement {
    actions = [
      "lambda:GetAlias",
      "lambda:GetFunction",
      "lambda:GetFunctionConfiguration",
      "lambda:InvokeFunction",
      "lambda:PublishVersion",
      "lambda:UpdateAlias",
      "lambda:UpdateFunctionCode",
    ]
    resources = [local.function_arn, "${local.function_arn}:*"]
  }
}

resource "aws_iam_role_policy" "pipeline" {
  count = local.with_github

  name   = "ship"
  role   = aws_iam_role.pipeline[0].id
  policy = data.aws_iam_policy_document.pipeline.json
}

resource "aws_iam_role" "plan" {
  count = local.with_plan

  name                 = "${local.name}-plan"
  description          = "Shows what an apply would change of the visitor counter (${var.stage})"
  assume_role_policy   = data.aws_iam_policy_document.github["aws-plan"].json
  max_session_duration = 3600
}

# It plans from the state alone, so it can read only that. The state has the salt and the token: whoever may use the
# environment aws-plan can read them.
data "aws_iam_policy_document" "plan" {
  statement {
    actions   = ["s3:GetObject"]
    resources = ["arn:aws:s3:::${var.state_bucket}/env:/${var.stage}/visitor-counter.tfstate"] # where a workspace is
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = ["arn:aws:s3:::${var.state_bucket}"]
  }
}

resource "aws_iam_role_policy" "plan" {
  count = local.with_plan

  name   = "read"
  role   = aws_iam_role.plan[0].id
  policy = data.aws_iam_policy_document.plan.json
}
