"""template.yaml deployed to MiniStack, a second reader of it that also enforces the roles: the functions' optimised
binaries as its functions, and the main path through them.

    ministack.py [--profile release]     deploy, and try what smoke.py tries against any deployment, and more
    ministack.py --self-test           take one permission away, and see the main path fail of it
    ministack.py --serve [--bind ADDRESS] [--env-vars FILE]
                                       deploy, say where, and go on until interrupted; FILE is for `sam local`

The template is deployed as it is; what changes is what `sam package` would change, where the code and the nested
templates are. Where MiniStack does less than CloudFormation, `Deployment.bridge` does the rest, and says what and why.
It proves nothing of AWS itself, but that a second implementation understands the template, that the binaries run from
their zips with nothing but their roles, and that no permission of the main path is missing.

Runs in the environment of requirements-ministack.txt, and needs the functions and tenday built.
"""

import argparse
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile

import botocore.config
import botocore.session
from samtranslator.yaml_helper import yaml_parse

import smoke
from local_run import ROOT, Failed, check
from smoke import free_port

REGION = "us-east-1"
# Of the account's root, whom nothing is forbidden; the functions have keys of their roles.
ROOT_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
             "AWS_DEFAULT_REGION": REGION, "AWS_REGION": REGION}
STACK = "tenday"
BUCKET = "artefacts"
# What is off by default and can be tried. Gap: an alarm on an expression of several metrics is not supported, so the
# alarms stay off; nested.py and cfn-lint read them.
PARAMETERS = {"IngestIsOn": "true", "DashboardIsOn": "true"}
START_SECONDS = 60
DEPLOY_SECONDS = 120
ARRIVAL_SECONDS = 60
FUNCTION, API, TABLE = "AWS::Serverless::Function", "AWS::ApiGatewayV2::Api", "AWS::DynamoDB::Table"
MAPPING, ROLE = "AWS::Lambda::EventSourceMapping", "AWS::IAM::Role"
NESTED = "AWS::CloudFormation::Stack"
BATCHES = ("sqs:SendMessage", "sqs:DeleteMessage")


class MiniStack:
    """The process, on a port of its own, with nothing kept."""

    def __init__(self, address="127.0.0.1"):
        self.port = free_port()
        self.endpoint = f"http://{address}:{self.port}"
        self.log = tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace")
        self.home = tempfile.TemporaryDirectory(prefix="tenday-ministack-")
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("AWS_")
        } | ROOT_KEYS | {
            # Who is not granted a thing is refused it.
            "AUTH": "true",
            "BIND_HOST": address,
            "GATEWAY_PORT": str(self.port),
            # It would open a port of its own for what we do not use.
            "IOT_MTLS_ENABLED": "0",
            # Else the functions would call AWS itself.
            "AWS_ENDPOINT_URL": self.endpoint,
            "TMPDIR": self.home.name,
        }
        self.process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environment, cwd=self.home.name,
                                        stdout=self.log, stderr=self.log, start_new_session=True)
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                raise Failed(f"MiniStack does not start:\n{self.tail()}")
            time.sleep(0.05)

    def answers(self):
        try:
            urllib.request.urlopen(f"{self.endpoint}/_ministack/health", timeout=1).close()
        except OSError:
            return False
        return True

    def client(self, service):
        config = botocore.config.Config(retries={"max_attempts": 0})
        return botocore.session.get_session().create_client(
            service, endpoint_url=self.endpoint, region_name=REGION, config=config,
            aws_access_key_id=ROOT_KEYS["AWS_ACCESS_KEY_ID"], aws_secret_access_key=ROOT_KEYS["AWS_SECRET_ACCESS_KEY"])

    def lines(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.readlines()

    def tail(self, count=40):
        return "".join(self.lines()[-count:])

    def close(self):
        # It and the functions' processes, all in the session that it leads.
        for how in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=10)
        self.home.cleanup()


class Deployment:
    """The stack on a MiniStack. `change` is done to the template first: for the self-test alone."""

    def __init__(self, ministack, profile, change=lambda template: None, stack=STACK, parameters=PARAMETERS):
        self.ministack = ministack
        self.client = ministack.client
        self.stack, self.parameters = stack, parameters
        template = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
        self.package(template, profile)
        change(template)
        self.create(json.dumps(template))
        self.adopt()

    def package(self, template, profile):
        """What `sam package` does: zips the binaries, and says where they are."""
        s3 = self.client("s3")
        if BUCKET not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]:
            s3.create_bucket(Bucket=BUCKET)
        for resource in template["Resources"].values():
            if resource["Type"] != FUNCTION:
                continue
            name = resource["Properties"]["CodeUri"].rpartition("/")[2]
            s3.put_object(Bucket=BUCKET, Key=name, Body=zipped(smoke.binary(name, profile)))
            resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/{name}"
        for resource in template["Resources"].values():
            if resource["Type"] == NESTED:
                name = resource["Properties"]["TemplateURL"]
                s3.put_object(Bucket=BUCKET, Key=name, Body=(ROOT / name).read_bytes())
                resource["Properties"]["TemplateURL"] = f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{name}"

    def create(self, body):
        cloudformation = self.client("cloudformation")
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in self.parameters.items()]
        # Too long to be sent along, as for AWS.
        self.client("s3").put_object(Bucket=BUCKET, Key=f"{self.stack}.json", Body=body.encode())
        cloudformation.create_stack(StackName=self.stack, Parameters=parameters,
                                    TemplateURL=f"https://s3.{REGION}.amazonaws.com/{BUCKET}/{self.stack}.json",
                                    Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"])
        until = time.monotonic() + DEPLOY_SECONDS
        while "IN_PROGRESS" in (stack := cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0])["StackStatus"]:
            if time.monotonic() > until:
                raise Failed("the stack is still not there")
            time.sleep(0.1)
        if stack["StackStatus"] != "CREATE_COMPLETE":
            events = cloudformation.describe_stack_events(StackName=self.stack)["StackEvents"]
            reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}"
                       for event in events if "FAILED" in event["ResourceStatus"]]
            raise Failed(f"the stack ends as {stack['StackStatus']}: {'; '.join(reasons)}")

    def adopt(self):
        """Learns what the stack is, and does what MiniStack left undone."""
        cloudformation = self.client("cloudformation")
        stack = cloudformation.describe_stacks(StackName=self.stack)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        resources = cloudformation.describe_stack_resources(StackName=self.stack)["StackResources"]
        self.names = {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}
        processed = cloudformation.get_template(StackName=self.stack, TemplateStage="Processed")["TemplateBody"]
        self.template = json.loads(processed) if isinstance(processed, str) else processed
        self.bridge()

    def bridge(self):
        """Does what MiniStack's CloudFormation leaves undone; each gap is told where it is bridged."""
        for name, resource in self.template["Resources"].items():
            if name not in self.names:
                continue
            properties = resource.get("Properties", {})
            if resource["Type"] == TABLE:
                self.bridge_expiry(self.names[name], properties["TimeToLiveSpecification"])
            elif resource["Type"] == API:
                self.bridge_routes(self.names[name], properties["Body"])
            elif resource["Type"] == MAPPING:
                self.bridge_concurrency(self.names[name])
            elif resource["Type"] == ROLE:
                self.bridge_permissions(self.names[name])

    def bridge_expiry(self, table, specification):
        """Gap: a table's TimeToLiveSpecification is ignored."""
        self.client("dynamodb").update_time_to_live(TableName=table, TimeToLiveSpecification=specification)

    def bridge_routes(self, api, body):
        """Gap: an HTTP API's OpenAPI Body, which SAM makes of the functions' events, is ignored: no route comes of it.

        Its address is another too: by the path of MiniStack's own endpoint.
        """
        gateway = self.client("apigatewayv2")
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                uri = operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
                arn = self.names[uri.rpartition("${")[2].partition("}")[0]]
                integration = gateway.create_integration(ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn,
                                                         PayloadFormatVersion="2.0")["IntegrationId"]
                verb = "ANY" if method.startswith("x-amazon") else method.upper()
                key = "$default" if path == "/$default" or path == "$default" else f"{verb} {path}"
                gateway.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}")
        self.url = f"{self.ministack.endpoint}/_aws/execute-api/{api}"

    def bridge_concurrency(self, mapping):
        """Gap: a parameter of type Number stays a text where a property needs a number, and the poller fails of it."""
        functions = self.client("lambda")
        most = functions.get_event_source_mapping(UUID=mapping)["ScalingConfig"]["MaximumConcurrency"]
        functions.update_event_source_mapping(UUID=mapping, ScalingConfig={"MaximumConcurrency": int(most)})

    def bridge_permissions(self, role):
        """Gap: two permissions are asked for by other names than AWS's. Whoever is granted the one is given the
        other, on the same queue or for schedules, and nobody else.

        A batch of messages is asked for by its operation's name, which IAM does not have; AWS asks for SendMessage.
        A schedule is taken for one of the group `default`, whichever it is in; AWS asks for its own group.

        And one that cannot be bridged: who hands a role on (iam:PassRole) is not asked, nor is the role that a schedule
        hands on. policies.py compares both with the calls.
        """
        iam = self.client("iam")
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
            for statement in document["Statement"]:
                actions, resources = listed(statement["Action"]), listed(statement["Resource"])
                statement["Action"] = actions + [f"{action}Batch" for action in actions if action in BATCHES]
                group = f":schedule/{self.names['Schedules']}/"
                statement["Resource"] = resources + [
                    resource.replace(group, ":schedule/default/") for resource in resources if group in resource]
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def complaints(self):
        """What the functions logged of warnings and errors."""
        logs = self.client("logs")
        for name, group in self.names.items():
            if not group.startswith("/aws/lambda/"):
                continue
            for event in logs.filter_log_events(logGroupName=group)["events"]:
                if '"level":"ERROR"' in event["message"] or "panicked" in event["message"]:
                    yield f"{name.removesuffix('Log')}: {event['message'].strip()[:600]}"

    def queue(self, name, attribute):
        answer = self.client("sqs").get_queue_attributes(QueueUrl=self.names[name], AttributeNames=[attribute])
        return answer["Attributes"][attribute]

    def clients(self):
        """A developer's client and the platform's, made as an operator makes them."""
        def create(*owner):
            answer = subprocess.run(
                [smoke.binary("tenday", "dev"), "operator", "--json", "clients", "create", *owner],
                env={"PATH": os.environ["PATH"], "SETTINGS_TABLE": self.outputs["SettingsTableName"],
                     "AWS_ENDPOINT_URL": self.ministack.endpoint, **ROOT_KEYS},
                check=True, stdout=subprocess.PIPE, text=True).stdout
            return json.loads(answer)
        return create("--developer", smoke.DEVELOPER), create("--platform")


def listed(value):
    return value if isinstance(value, list) else [value]


def zipped(binary):
    """Not compressed: nobody counts these bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, binary.read_bytes())
    return buffer.getvalue()


class Deeper(smoke.Smoke):
    """The main path, and what only whoever has the account sees of it."""

    def __init__(self, deployment):
        developer, platform = deployment.clients()
        clients = {"developer": (developer["clientId"], developer["clientSecret"]),
                   "platform": (platform["clientId"], platform["clientSecret"])}
        super().__init__(smoke.Api(deployment.url, clients), smoke.DEVELOPER, smoke.Nowhere())
        self.deployment = deployment

    def waiting(self):
        event = super().waiting()
        self.schedule()
        self.dead_letter(event)
        self.ingest()

    def schedule(self):
        """The retry waits in EventBridge Scheduler, for the retries queue, and goes once it has fired."""
        names, scheduler = self.deployment.names, self.deployment.client("scheduler")
        found = self.wait("a schedule", lambda: scheduler.list_schedules(GroupName=names["Schedules"])["Schedules"])
        check(len(found) == 1, f"one retry waits, in {len(found)} schedules")
        schedule = scheduler.get_schedule(GroupName=names["Schedules"], Name=found[0]["Name"])
        target = schedule["Target"]
        queue = self.deployment.queue("RetriesQueue", "QueueArn")
        check(target["Arn"] == queue and f":role/{names['SchedulerRole']}" in target["RoleArn"], f"it is for {target}")
        check(schedule["ActionAfterCompletion"] == "DELETE", f"it stays: {schedule}")

    def ingest(self):
        """What the platform puts on EventBridge is published, by the rule, the queue and the function."""
        update = {"developerId": self.developer, "eventName": "transactions.updated", "id": f"{self.run_id}-bus",
                  "data": {"linkId": "item-4"}}
        entry = {"Source": "tenday", "DetailType": "update", "Detail": json.dumps(update)}
        answer = self.deployment.client("events").put_events(Entries=[entry])
        check(answer["FailedEntryCount"] == 0, f"EventBridge refuses it: {answer}")
        page = "/configuration/webhooks"
        webhook = next(found["id"] for found in self.get(page)["webhooks"] if found["eventName"] == "DATA_UPDATES")
        self.wait("the update that EventBridge was given",
                  lambda: len(self.get(f"{page}/{webhook}/events")["events"]) == 2)

    def dead_letter(self, event):
        """A message that our own code could not handle is a dropped event, for its owner to see."""
        letter = {"v": smoke.MESSAGE_VERSION, "developer": self.developer, "event": event, "attempt": 2}
        self.deployment.client("sqs").send_message(
            QueueUrl=self.deployment.names["RetriesDeadLetters"], MessageBody=json.dumps(letter))
        found = self.event(event, status="dropped")
        check(found["dropReason"] == "internal", f"a dead letter is dropped as {found['dropReason']}")


@contextlib.contextmanager
def started():
    """MiniStack, for as long as something is tried. What it says is shown if what goes wrong is no failed check."""
    ministack = MiniStack()
    try:
        yield ministack
    except Failed:
        raise
    except Exception:
        print(ministack.tail(), file=sys.stderr)
        raise
    finally:
        ministack.close()


@contextlib.contextmanager
def with_complaints(deployment):
    """A failed check is told with what the deployment's functions complain of."""
    try:
        yield
    except Failed as failed:
        raise Failed("\n".join([str(failed), *deployment.complaints()])) from None


def try_it(profile, change=lambda template: None):
    """What was tried, of a deployment of its own."""
    with started() as ministack:
        began = time.monotonic()
        deployment = Deployment(ministack, profile, change)
        deployed = time.monotonic() - began
        with with_complaints(deployment):
            done = Deeper(deployment).run()
        # The dead letter is told as an error, as it should be.
        complaints = [line for line in deployment.complaints() if "is dropped for its owner to see" not in line]
        check(not complaints, "\n".join(["the functions complain:", *complaints]))
        return f"deployed in {deployed:.1f} s; {done}"


def take_away(role, action):
    """A change of the template: `role` may not do `action` any more."""
    def change(template):
        for policy in template["Resources"][role]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                if action in listed(statement["Action"]):
                    left = [other for other in listed(statement["Action"]) if other != action]
                    statement["Action"] = left or ["sts:GetCallerIdentity"]
                    return
        raise Failed(f"{role} may not {action} as it is")
    return change


def self_test(profile):
    """A permission less, and the main path fails of it, by its name."""
    try:
        try_it(profile, take_away("UpdatesRole", "sqs:SendMessage"))
    except Failed as failed:
        if "is not authorized to perform: sqs:SendMessage" in str(failed):
            return "a permission was taken away, and the main path failed of it"
        raise
    raise Failed("a permission was taken away, and nobody saw it")


def serve(profile, address, env_vars):
    """`env_vars` gets what the stack's functions have in their environment, and the endpoint, never an empty one."""
    ministack = MiniStack(address)
    try:
        deployment = Deployment(ministack, profile)
        if env_vars:
            variables = {"AWS_ENDPOINT_URL": ministack.endpoint}
            for name, resource in deployment.template["Resources"].items():
                if resource["Type"] == "AWS::Lambda::Function":
                    answer = deployment.client("lambda").get_function_configuration(
                        FunctionName=deployment.names[name])
                    variables |= answer["Environment"]["Variables"]
            with open(env_vars, "w", encoding="utf-8") as file:
                json.dump({"Parameters": variables}, file, indent=2)
        developer, platform = deployment.clients()
        print(json.dumps({"url": deployment.url, "endpointUrl": ministack.endpoint, "outputs": deployment.outputs,
                          "developer": developer, "platform": platform}, indent=2), flush=True)
        ministack.process.wait()
    finally:
        ministack.close()


def main_of(name, description, attempt):
    """The whole of a script that makes one attempt with the functions of a profile, and how it ends."""
    arguments = argparse.ArgumentParser(description=description.splitlines()[0])
    arguments.add_argument("--profile", default="release", help="cargo's, of the functions [release]")
    options = arguments.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    try:
        print(f"{attempt(options.profile)}, in {time.monotonic() - began:.0f} s")
    except Failed as failed:
        print(f"{name}: {failed}", file=sys.stderr)
        return 1
    return 0


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--profile", default="release", help="cargo's, of the functions [release]")
    arguments.add_argument("--self-test", action="store_true")
    arguments.add_argument("--serve", action="store_true")
    arguments.add_argument("--bind", metavar="ADDRESS", default="127.0.0.1", help="where to serve [127.0.0.1]")
    arguments.add_argument("--env-vars", metavar="FILE", help="where to leave the variables for `sam local`")
    options = arguments.parse_args()
    # What a CI machine sends when it gives up: let the processes below go too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.serve:
            serve(options.profile, options.bind, options.env_vars)
        else:
            print(self_test(options.profile) if options.self_test else try_it(options.profile))
    except Failed as failed:
        print(f"ministack: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
