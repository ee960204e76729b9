"""Whether the role of infra/deploy-role.yaml may do what deploying takes, and its boundary lets the functions do their work.

CloudFormation's models of its resources say which actions making, reading, changing and deleting one takes; they come with
cfn-lint. Each action that a resource of ours may need is allowed, or is named here with the reason why ours needs it not.

    deploy_role.py              check
    deploy_role.py --self-test  take each action away, and fail if one is not missed

What it cannot say is whether a resource's ARN is the one that AWS asks for: that shows in an account.

Runs in the environment of requirements-sam.txt.
"""

import argparse
import copy
import json
import re
import sys

from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from deployment import parse, texts
from local_run import Failed
from template import expand, listed, parse_yaml

POLICIES = ("Stacks", "Parts", "Around", "Networks", "Fronts", "Shifts")
LONGEST = 6_144
FILE = "infra/deploy-role.yaml"
# (what it matches, why none of ours needs it)
NOT_NEEDED = [
    (r"s3:(getObject|GetObjectMetadata|ListBucket|REST.*)$|firehose:|kinesis:|elasticfilesystem:|s3files:|vpc-lattice:|vpce:"
     r"|payments:", "of other services, which nothing here uses"),
    (r"dynamodb:(BatchWriteItem|DeleteItem|GetItem|PutItem|Query|Scan|UpdateItem|ImportTable|DescribeImport)$"
     r"|logs:(CreateLogStream|DescribeLogStreams|PutLogEvents)$", "a table is not made of another's items"),
    (r"dynamodb:(AssociateTableReplica|CreateTableReplica|(En|Dis)ableKinesis\w+|UpdateKinesis\w+|UpdateContributorInsights"
     r"|(Put|Delete)ResourcePolicy)$", "no table has replicas, streams, insights or a policy"),
    (r"kms:(ListAliases|RevokeGrant)$", "keys are named by their ARN, and a table keeps its key"),
    (r"lambda:(\w*CodeSigning\w*|AssociateRuntimeAlias|GetLayerVersion|PassCapacityProvider|PutFunctionRecursionConfig"
     r"|PutFunctionScalingConfig|PutRuntimeManagementConfig)$", "no function has these"),
    (r"lambda:(Put|Delete)ProvisionedConcurrencyConfig$", "nothing is kept warm"),
    (r"codedeploy:RegisterOnPremisesInstance$", "functions, and no machines"),
    (r"logs:(\w*IndexPolicy|\w*DataProtectionPolicy|DeleteResourcePolicy|PutBearerTokenAuthentication|PutLogGroupDeletionProtection)$",
     "no log has these"),
    (r"ec2:(AcceptAddressTransfer|\w*PrivateNatGatewayAddress|\w+NatGatewayAddress|\w+SubnetCidrBlock|ModifyVpcTenancy"
     r"|\w+VpcEncryptionControls?|(At|De)tachVpnGateway)$", "the network has none of these"),
    (r"iam:(Attach|Detach)(Group|User)Policy$|iam:DeleteRolePermissionsBoundary$", "only roles, and never without a boundary"),
    (r"sns:PutDataProtectionPolicy$", "a topic has no such policy"),
    (r"apigateway:(Unt|T)agResource$|cloudfront:CreateDistributionWithTags$", "IAM asks by another name: PUT on tags, CreateDistribution"),
    (r"cloudfront:(\w+ConnectionGroup|GetVpcOrigin|UpdateDistributionWithStagingConfig)$", "the front is one distribution"),
]


def statements(document, name):
    for statement in document["Resources"][name]["Properties"]["PolicyDocument"]["Statement"]:
        if statement["Effect"] == "Allow":
            yield from listed(statement["Action"])


def allowed(document):
    return {action for name in POLICIES for action in statements(document, name)}


def needed(documents):
    """(action, the kind of resource that needs it)"""
    kinds = {resource["Type"] for document in documents.values() for resource in document.get("Resources", {}).values()}
    for kind in sorted(kinds):
        try:
            schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
        except Exception as error:
            raise Failed(f"there is no model of {kind}: {error}") from None
        for what in ("create", "read", "update", "delete"):
            for action in schema.get("handlers", {}).get(what, {}).get("permissions", []):
                yield action, kind


def granted(documents):
    """What any role of the stack may do."""
    for document in documents.values():
        for name, resource in document.get("Resources", {}).items():
            properties = resource.get("Properties", {})
            policies = properties.get("Policies", []) if resource["Type"] == "AWS::IAM::Role" else []
            documents_of_it = [policy["PolicyDocument"] for policy in policies]
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                documents_of_it.append(properties["PolicyDocument"])
            for policy in documents_of_it:
                for statement in listed(policy["Statement"]):
                    for action in listed(statement["Action"]):
                        yield action, name


def problems(role, documents):
    may, bounds = allowed(role), set(statements(role, "Boundary"))
    wanted = {}
    for action, kind in needed(documents):
        if not any(re.match(pattern, action) for pattern, _ in NOT_NEEDED):
            wanted.setdefault(action, set()).add(kind)
    for action, kinds in sorted(wanted.items()):
        if action not in may:
            yield f"{action} is not allowed, which {', '.join(sorted(kinds))} needs"
    for action, name in sorted(set(granted(documents))):
        if action not in bounds:
            yield f"{action}, which {name} is granted, is beyond the boundary"
    if any("*" in action for action in may | bounds):
        yield "there is a wildcard among the actions"
    for name, resource in role["Resources"].items():
        if resource["Type"] == "AWS::IAM::ManagedPolicy":
            # As it will be, with the account and the names put in; IAM counts no white space.
            text = json.dumps(resource["Properties"]["PolicyDocument"], separators=(",", ":"))
            length = len(re.sub(r'\{"Fn::Sub":("[^"]*")\}', r"\1", text))
            if length > LONGEST:
                yield f"{name} has {length} characters; IAM takes {LONGEST}"
    makes = [statement for statement in role["Resources"]["Stacks"]["Properties"]["PolicyDocument"]["Statement"]
             if "iam:CreateRole" in listed(statement["Action"])]
    if [statement.get("Condition") for statement in makes] != [{"StringEquals": {"iam:PermissionsBoundary": {"Ref": "Boundary"}}}]:
        yield "a role can be made without the boundary"


def self_test(role, documents):
    """How many were taken away, and which were not missed."""
    count, unseen = 0, []
    needs = {action for action, _ in needed(documents)} | {action for action, _ in granted(documents)}
    for name in ("Boundary", *POLICIES):
        for action in sorted(set(statements(role, name)) & needs):
            broken = copy.deepcopy(role)
            for policy in (name,) if name == "Boundary" else POLICIES:
                for statement in broken["Resources"][policy]["Properties"]["PolicyDocument"]["Statement"]:
                    statement["Action"] = [each for each in listed(statement["Action"]) if each != action]
            asked = {each for each, _ in granted(documents)} if name == "Boundary" else needs
            if action not in asked or any(re.match(pattern, action) for pattern, _ in NOT_NEEDED):
                continue
            count += 1
            if not any(complaint.startswith(action) for complaint in problems(broken, documents)):
                unseen.append(f"{name} without {action}, and nobody missed it")
    return count, unseen


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--self-test", action="store_true")
    options = arguments.parse_args()
    documents = {name: parse(name, text) for name, text in texts().items() if name.endswith(".yaml")}
    role = documents.pop(FILE)
    # What SAM adds where a parameter asks for it.
    source = parse_yaml(texts()["template.yaml"])
    documents["template.yaml, with gradual releases"] = expand(source, GradualIsOn="true")
    try:
        if options.self_test:
            count, found = self_test(role, documents)
            done = f"{count} actions taken away, each missed"
        else:
            found = list(problems(role, documents))
            done = f"{len(allowed(role))} actions are what deploying takes, and the boundary holds every role's"
    except Failed as failed:
        sys.exit(str(failed))
    if found:
        sys.exit("\n".join(f"{FILE}: {each}" for each in found))
    print(done)


if __name__ == "__main__":
    main()
