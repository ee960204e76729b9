"""Whether the module of infra/terraform deploys what stack.sh deploys, as far as that can be told without its provider.

    terraform.py              check
    terraform.py --self-test  plant mistakes, and fail if one is overlooked

`terraform validate` needs the AWS provider, which comes from HashiCorp's registry alone. In its place: the module parses; each
resource has what the provider's documentation asks for, and nothing that the provider does not know (SCHEMA, of version 5 and 6);
what is referred to is there; and the stack is given the template, the policy, the bucket and the capabilities that it needs.
Where `terraform` is installed, its formatting is asked as well, which needs no provider.

Runs in the environment of requirements-terraform.txt.
"""

import argparse
import copy
import json
import re
import shutil
import subprocess
import sys

import hcl2

from local_run import ROOT, Failed

MODULE = ROOT / "infra/terraform"
# (what is needed, what may be given besides) of each resource that the module uses.
META = {"count", "for_each", "depends_on", "lifecycle", "timeouts", "provider"}
SCHEMA = {
    "aws_s3_bucket": (set(), {"bucket", "bucket_prefix", "force_destroy", "object_lock_enabled", "tags"}),
    "aws_s3_bucket_public_access_block": ({"bucket"}, {"block_public_acls", "block_public_policy", "ignore_public_acls",
                                                       "restrict_public_buckets"}),
    "aws_s3_bucket_server_side_encryption_configuration": ({"bucket", "rule"}, {"expected_bucket_owner"}),
    "aws_s3_object": ({"bucket", "key"}, {"source", "source_hash", "content", "etag", "tags", "server_side_encryption",
                                          "kms_key_id", "content_type", "force_destroy"}),
    "aws_cloudformation_stack": ({"name"}, {"template_url", "template_body", "capabilities", "parameters", "policy_body",
                                            "policy_url", "on_failure", "disable_rollback", "iam_role_arn", "tags",
                                            "notification_arns", "timeout_in_minutes"}),
}
DATA = {"aws_caller_identity", "aws_region", "aws_partition"}

MISTAKES = {
    "an argument that there is not": ("template_url =", "template_uri ="),
    "no bucket": ("  bucket      = local.bucket\n", ""),
    "a variable that there is not": ("var.tags,", "var.labels,"),
    "a local that there is not": ("local.template}", "local.templates}"),
    "no capability for the macro": (', "CAPABILITY_AUTO_EXPAND"', ""),
    "no stack policy": ('  policy_body = file("${var.release}/stack-policy.json")\n', ""),
    "no bucket for the stack": (", { ArtefactsBucket = local.bucket }", ", {}"),
    "no version for what is changed": ("{ Revision = local.revision }, ", ""),
    "no version for a changed parameter": ("local.bucket, var.parameters])", "local.bucket])"),
    "no version for another release": ("[local.template, local.bucket", "[local.bucket"),
    "no sums": ("filesha256(", "sha256("),
    "another place than the template names": ('"tenday/${each.key}"', '"releases/${each.key}"'),
    "a brace too few": ("data \"aws_region\" \"current\" {}", "data \"aws_region\" \"current\" {"),
    "nothing keeps the stack from being destroyed": ("    prevent_destroy = true\n", ""),
    "a public bucket": ("  block_public_policy     = true\n", ""),
}


def plain(name):
    return name.strip('"')


def read(files):
    """(resources by (kind, name), data, variables, locals, text)"""
    resources, data, variables, locals_ = {}, set(), set(), set()
    for name, text in files.items():
        try:
            document = hcl2.loads(text)
        except Exception as error:
            raise Failed(f"{name} does not parse: {str(error).splitlines()[0]}") from None
        for block in document.get("resource", []):
            for kind, named in block.items():
                for each, body in named.items():
                    if not each.startswith("__"):
                        resources[plain(kind), plain(each)] = body
        data |= {(plain(kind), plain(each)) for block in document.get("data", []) for kind, named in block.items()
                 for each in named}
        variables |= {plain(each) for block in document.get("variable", []) for each in block}
        locals_ |= {plain(each) for block in document.get("locals", []) for each in block}
    return resources, data, variables, locals_, "\n".join(files.values())


def problems(files):
    resources, data, variables, locals_, text = read(files)
    for (kind, name), body in resources.items():
        if kind not in SCHEMA:
            yield f"{kind} is not known here: add what its documentation says"
            continue
        needs, may = SCHEMA[kind]
        has = {plain(key) for key in body if not key.startswith("__")}
        for missing in sorted(needs - has):
            yield f"{kind}.{name} needs {missing}"
        for unknown in sorted(has - needs - may - META):
            yield f"{kind}.{name} has no {unknown}"
    for kind, _ in data:
        if kind not in DATA:
            yield f"data {kind} is not known here"
    for kind, found, what in ((r"\bvar\.(\w+)", variables, "variable"), (r"\blocal\.(\w+)", locals_, "local")):
        for name in sorted(set(re.findall(kind, text)) - found):
            yield f"there is no {what} {name}"
    for kind, name in sorted(set(re.findall(r"(?<!data\.)\b(aws_\w+)\.(\w+)", text))):
        if (kind, name) not in resources and (kind, name) not in data:
            yield f"there is no {kind}.{name}"
    stack = json.dumps(resources["aws_cloudformation_stack", "tenday"])
    for wanted in ("ArtefactsBucket = local.bucket", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "/tenday/${local.template}",
                   "stack-policy.json", "prevent_destroy", "aws_s3_object.artefacts"):
        if wanted not in stack and wanted.replace(" = ", " : ") not in stack and wanted.replace(" = ", '": "') not in stack \
                and not (wanted.startswith("Artefacts") and re.search(r"ArtefactsBucket\W+local\.bucket", stack)):
            yield f"the stack is not given: {wanted}"
    if not re.search(r"Revision\W+local\.revision", stack):
        yield "the stack is not given: Revision"
    for wanted in ("local.template", "local.bucket", "var.parameters"):
        if not re.search(rf"\brevision\s*=.*\b{re.escape(wanted)}\b", text):
            yield f"a revision does not change with {wanted}"
    packages = json.dumps(resources["aws_s3_object", "artefacts"])
    for wanted in ("tenday/${each.key}", "filesha256("):
        if wanted not in packages:
            yield f"the packages are not: {wanted}"
    block = resources["aws_s3_bucket_public_access_block", "artefacts"]
    if sum(str(value).lower() == "true" for key, value in block.items() if "public" in key) != 4:
        yield "the bucket can be public"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    files = {path.name: path.read_text(encoding="utf-8") for path in sorted(MODULE.glob("*.tf"))}
    try:
        if options.self_test:
            overlooked = []
            for name, (old, new) in MISTAKES.items():
                broken = copy.deepcopy(files)
                place = next((file for file, text in files.items() if old in text), None)
                if place is None:
                    raise Failed(f"{name}: cannot be planted any more")
                broken[place] = broken[place].replace(old, new, 1)
                try:
                    if not list(problems(broken)):
                        overlooked.append(name)
                except Failed:
                    continue
            if overlooked:
                raise Failed(f"overlooked: {', '.join(overlooked)}")
            print(f"{len(MISTAKES)} planted mistakes, all caught")
            return
        found = list(problems(files))
        if terraform := shutil.which("terraform") or shutil.which("tofu"):
            done = subprocess.run([terraform, "fmt", "-check", "-diff", MODULE], text=True, capture_output=True)
            if done.returncode:
                found.append(f"not formatted: {done.stdout}{done.stderr}")
        if found:
            raise Failed("\n".join(found))
        print(f"{len(files)} files of the module hold; formatting {'too' if terraform else 'was not looked at: there is no terraform'}")
    except Failed as failed:
        sys.exit(str(failed))


if __name__ == "__main__":
    main()
