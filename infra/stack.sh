#!/usr/bin/env bash
# Installs Tenday, and does to a deployed stack what an operator does to it: no build, no clone, nothing but the AWS CLI
# with a region and credentials (and curl, where a release is fetched).
set -euo pipefail

# Where GitHub has the releases: OWNER/NAME. A released copy of this file knows.
repository=
repository=${TENDAY_REPOSITORY:-$repository}

usage() {
    cat <<'USAGE'
bash stack.sh [--stack NAME] COMMAND            NAME is `tenday` unless told otherwise

  install [OPTION ...] [NAME=VALUE ...]   deploy a release: check its sums, copy it to a bucket of yours, make the stack
  upgrade [OPTION ...] [NAME=VALUE ...]   bring the stack to another release; parameters that are not given stay
  rollback [--yes]                        back to what ran before the last upgrade; again, and it is undone
  save                 print the template that runs now, for `sam deploy --template-file`: a rollback without a build
  set [NAME=VALUE ...] change parameters, and leave all others and the code as they are; with none of them, the functions take
                       up what was changed by another way than this script
  repair               put back what was changed by hand: what CloudFormation made is made as the template says again
  kept                 print what stays, and costs, when the stack is deleted; ask before, its outputs go with it

OPTIONs of install and upgrade:
  --version V          which release; the newest unless told otherwise
  --from PLACE         a release's directory, or the URL under which its files are; this script's own directory where it is one
  --bucket NAME        the bucket that takes the release; `tenday-artefacts-ACCOUNT-REGION`, made if it is missing, private
                       and encrypted, unless told otherwise
  --account ID         go on in this account only
  --older              let upgrade go to an older release: what the newer one wrote may not be readable there
  --yes                ask nothing

Each can be run again after whatever stopped it: it goes on where it was. What is wrong is told before anything is changed.
USAGE
}

fail() {
    echo "error: $1" >&2
    exit 1
}

say() { echo "$*" >&2; }

stack=tenday version='' from='' bucket='' account='' older='' yes=''
command=''
changes=()
while [ $# -gt 0 ]; do
    case $1 in
    --stack | --version | --from | --bucket | --account)
        [ $# -gt 1 ] || fail "$1 needs a value"
        declare "${1#--}=$2"
        shift
        ;;
    --older | --yes) declare "${1#--}=1" ;;
    -h | --help) command=help ;;
    -*) usage >&2 && fail "there is no option $1" ;;
    *) if [ -z "$command" ]; then command=$1; else changes+=("$1"); fi ;;
    esac
    shift
done
command=${command:-help}
case "$command" in
install | upgrade) ;;
*) [ -z "$version$from$bucket$account$older" ] || fail "$command takes none of --version, --from, --bucket, --account, --older" ;;
esac

# A macro and roles without names are in the template, and nested stacks.
capabilities=(CAPABILITY_IAM CAPABILITY_AUTO_EXPAND)

# The parameter Revision, never the same twice: with it the functions serve what they are now, and not what they were.
revision() { date -u +%Y-%m-%dT%H:%M:%SZ; }

parameter_names() {
    aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Parameters[].ParameterKey' --output text | tr '\t\n' '  '
}

# A text as JSON has it.
json() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

given() { printf '{"ParameterKey":"%s","ParameterValue":%s},' "$1" "$(json "$2")"; }
as_it_is() { printf '{"ParameterKey":"%s","UsePreviousValue":true},' "$1"; }

# The value of NAME among NAME=VALUE ..., the last one where there are several; fails if there is none.
value_of() {
    local name=$1 each found=1 value=''
    shift
    for each in "$@"; do
        if [ "${each%%=*}" = "$name" ]; then value=${each#*=} found=0; fi
    done
    [ $found = 0 ] && printf '%s' "$value"
}

named_values() {
    local change
    for change in ${changes[@]+"${changes[@]}"}; do
        [[ $change =~ ^[A-Za-z0-9]+= ]] || fail "$change is not NAME=VALUE"
        [[ $change != *[[:cntrl:]]* ]] || fail "${change%%=*}: a value has no line break and no other control character"
    done
}

# ------------------------------------------------------------------------------------------------ what is there

# `none` where there is no such stack.
state() {
    local said
    if said=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].StackStatus' --output text 2>&1); then
        echo "$said"
    elif [[ $said == *'does not exist'* ]]; then
        echo none
    else
        fail "CloudFormation cannot be asked about $stack: $said"
    fi
}

# Waits for the end of what CloudFormation does, and prints how it ended.
ended() {
    local now
    while now=$(state) && [[ $now == *_IN_PROGRESS && $now != REVIEW_IN_PROGRESS ]]; do sleep "${TENDAY_POLL_SECONDS:-5}"; done
    echo "$now"
}

reasons() {
    aws cloudformation describe-stack-events --stack-name "$stack" --output text --query \
        "StackEvents[?contains(ResourceStatus,'FAILED')] | [0:5].[LogicalResourceId,ResourceStatusReason]" >&2 || true
}

# CloudFormation takes a failed update back by itself.
updated() {
    local now
    now=$(ended)
    [ "$now" = UPDATE_COMPLETE ] && return
    reasons
    fail "the update failed, and the stack is $now; all of it: aws cloudformation describe-stack-events --stack-name $stack"
}

parameter() {
    local value
    value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Parameters[?ParameterKey=='$1'].ParameterValue") || exit 1
    [ "$value" = None ] || echo "$value"
}

output() {
    local value
    value=$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
        --query "Stacks[0].Outputs[?OutputKey=='$1'].OutputValue") || exit 1
    [ "$value" = None ] || echo "$value"
}

confirmed() {
    [ -n "$yes" ] && return
    local answer
    read -r -p "$1 [y/N] " answer || answer=n
    [ "$answer" = y ] || fail "nothing was changed"
}

# Whose account this is, in which region, and that a stack of this name is ours.
whereabouts() {
    command -v aws >/dev/null || fail "the AWS CLI is missing: https://docs.aws.amazon.com/cli/"
    region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
    [ -n "$region" ] || fail "no region is set: export AWS_REGION=us-east-1, or another"
    export AWS_REGION=$region AWS_DEFAULT_REGION=$region
    local caller
    caller=$(aws sts get-caller-identity --query Account --output text 2>&1) || fail "there are no credentials that AWS takes: $caller"
    [ -z "$account" ] || [ "$account" = "$caller" ] || fail "the credentials are of the account $caller, not $account"
    account=$caller
    now=$(state)
    if [ "$now" != none ]; then
        local what
        what=$(aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Description' --output text)
        # Of a change set that was never executed there is no description yet.
        [[ $now == REVIEW_IN_PROGRESS || $what == Tenday* ]] ||
            fail "the stack $stack in $region is something else ($what); give another name: --stack NAME"
    fi
}

# ------------------------------------------------------------------------------------------------ a release

sums() { if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi; }

# What installing needs of a release; the rest is for people.
needed() { grep -E '^[0-9a-f]{64}  [A-Za-z0-9._+-]+\.(zip|yaml|txt|json)$' "$1/SHA256SUMS" || true; }

# Sets `release` to a directory with a release in it whose sums are right.
fetched() {
    local own place name
    own=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    if [ -z "$from" ] && [ -z "$version" ] && [ -f "$own/SHA256SUMS" ]; then from=$own; fi
    if [ -z "$from" ]; then
        [ -n "$repository" ] || fail "where is the release? --from DIRECTORY, --from URL, or TENDAY_REPOSITORY=OWNER/NAME of GitHub's"
        place=latest/download
        [ -z "$version" ] || place=download/v$version
        from=https://github.com/$repository/releases/$place
    fi
    if [[ $from == *://* ]]; then
        [[ $from == https://* || $from == http://127.0.0.1[:/]* ]] || fail "$from: a release is fetched by https alone"
        command -v curl >/dev/null || fail "curl is missing, with which $from is fetched"
        release=$scratch/release
        mkdir "$release"
        say "fetching $from"
        curl -fsSL --retry 3 -o "$release/SHA256SUMS" "${from%/}/SHA256SUMS" || fail "there is no release at $from"
        needed "$release" | while read -r _ name; do
            curl -fsSL --retry 3 -o "$release/$name" "${from%/}/$name" || fail "$from lacks $name, which its SHA256SUMS names"
        done
    else
        [ -f "$from/SHA256SUMS" ] || fail "$from is no release: it has no SHA256SUMS"
        release=$(cd "$from" && pwd)
    fi
    needed "$release" >"$scratch/sums"
    [ -s "$scratch/sums" ] || fail "$from is no release: its SHA256SUMS names nothing to install"
    (cd "$release" && sums --check --status "$scratch/sums" 2>/dev/null) || {
        (cd "$release" && sums --check "$scratch/sums" 2>&1 | grep -v ': OK$' >&2) || true
        fail "the files of $from are not those that its SHA256SUMS names: fetch it again, and do not install these"
    }
    # A package by its own name has no line of its own to be forgotten in.
    while read -r sum name; do
        [[ ! $name =~ -([0-9a-f]{16})\.(zip|yaml)$ || $sum == "${BASH_REMATCH[1]}"* ]] ||
            fail "$name does not hold what its name says"
    done <"$scratch/sums"
    for name in checks.txt stack-policy.json; do
        grep -q "  $name\$" "$scratch/sums" || fail "$from is no release: it has no $name"
    done
    template=$(awk '{ print $2 }' "$scratch/sums" | grep -E '^template-.*\.yaml$' || true)
    [[ $template =~ ^template-(.+)-[0-9a-f]{16}\.yaml$ ]] || fail "$from is no release: it has not one template"
    [ -z "$version" ] || [ "$version" = "${BASH_REMATCH[1]}" ] || fail "$from is version ${BASH_REMATCH[1]}, not $version"
    version=${BASH_REMATCH[1]}
}

# Whether the parameters are such as the release takes; `$1` is `stack` where the stack's own values hold otherwise.
parameters_checked() {
    local kind name rest values='' known='' value atom holds allowed
    while read -r kind name rest; do
        [ "$kind" = parameter ] && known="$known $name"
        [ "$kind" = default ] && values="$values$name=$rest"$'\n'
    done <"$release/checks.txt"
    for value in ${changes[@]+"${changes[@]}"}; do
        name=${value%%=*}
        [[ " $known " == *" $name "* ]] || fail "version $version has no parameter $name; it has:$known"
        [[ ! $name =~ ^(ArtefactsBucket|ReleaseBefore|Revision)$ ]] || fail "$name is given by this script; for another bucket: --bucket NAME"
    done
    if [ "$1" = stack ]; then
        values="$values$(aws cloudformation describe-stacks --stack-name "$stack" --output text \
            --query 'Stacks[0].Parameters[].[ParameterKey,ParameterValue]' | sed 's/\t/=/; s/=None$/=/')"$'\n'
    fi
    local all=("AWS::Region=$region") line
    while IFS= read -r line; do [ -z "$line" ] || all+=("$line"); done <<<"$values"
    all+=(${changes[@]+"${changes[@]}"})
    for name in $known; do
        value=$(value_of "$name" "${all[@]}") || continue
        allowed=''
        while read -r kind what rest; do
            [ "$what" = "$name" ] || continue
            case $kind in
            allowed) allowed="$allowed|$rest" ;;
            least) [[ $value =~ ^-?[0-9]+$ && $value -ge $rest ]] || fail "$name=$value: must be a number, $rest or more" ;;
            most) [[ $value =~ ^-?[0-9]+$ && $value -le $rest ]] || fail "$name=$value: must be a number, $rest or less" ;;
            # What is hidden is shown as stars.
            pattern) [[ $value =~ ^($rest)$ || $value == '****' ]] || fail "$name=$value: must be as $rest" ;;
            esac
        done <"$release/checks.txt"
        [ -z "$allowed" ] || [[ "$allowed|" == *"|$value|"* ]] || fail "$name=$value: must be one of ${allowed#|}"
    done
    while read -r kind rest; do
        [ "$kind" = never ] || continue
        holds=1
        for atom in ${rest%% : *}; do
            name=${atom%%[!A-Za-z0-9:]*}
            value=$(value_of "$name" "${all[@]}") || value=''
            case $atom in
            "$name!="*) [ "$value" != "${atom#*!=}" ] || holds=0 ;;
            *) [ "$value" = "${atom#*=}" ] || holds=0 ;;
            esac
        done
        [ $holds = 0 ] || fail "these parameters exclude each other: ${rest#* : } (${rest%% : *})"
    done <"$release/checks.txt"
}

# Whether the bucket is there, ours, and here. Sets `bucket_is_there`.
bucket_checked() {
    local said where
    bucket_is_ours=''
    if [ -z "$bucket" ]; then bucket=tenday-artefacts-$account-$region bucket_is_ours=1; fi
    if said=$(aws s3api head-bucket --bucket "$bucket" --expected-bucket-owner "$account" 2>&1); then
        bucket_is_there=1
        where=$(aws s3api get-bucket-location --bucket "$bucket" --query LocationConstraint --output text)
        [ "$where" != None ] || where=us-east-1
        [ "$where" = "$region" ] || fail "the bucket $bucket is in $where; Lambda takes packages of its own region, $region, alone"
    elif [[ $said == *404* || $said == *'Not Found'* || $said == *NoSuchBucket* ]]; then
        bucket_is_there=''
    else
        fail "the bucket $bucket is somebody else's, or may not be used: $said"
    fi
}

bucket_made() {
    if [ -z "$bucket_is_there" ]; then
        say "making the bucket $bucket"
        if [ "$region" = us-east-1 ]; then
            aws s3api create-bucket --bucket "$bucket" >&2
        else
            aws s3api create-bucket --bucket "$bucket" --create-bucket-configuration "LocationConstraint=$region" >&2
        fi
    fi
    # A bucket that somebody made otherwise is theirs to settle. Ours may have been left half made.
    if [ -n "$bucket_is_ours" ] || [ -z "$bucket_is_there" ]; then
        aws s3api put-public-access-block --bucket "$bucket" --public-access-block-configuration \
            BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true
        aws s3api put-bucket-encryption --bucket "$bucket" --server-side-encryption-configuration \
            '{"Rules":[{"ApplyServerSideEncryptionByDefault":{"SSEAlgorithm":"AES256"}}]}'
        aws s3api put-bucket-policy --bucket "$bucket" --policy "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Deny\",
            \"Principal\":\"*\",\"Action\":\"s3:*\",\"Resource\":[\"arn:${partition:-aws}:s3:::$bucket\",\"arn:${partition:-aws}:s3:::$bucket/*\"],
            \"Condition\":{\"Bool\":{\"aws:SecureTransport\":\"false\"}}}]}"
    fi
}

put() {
    aws s3api put-object --bucket "$bucket" --key "tenday/$2" --body "$1" --expected-bucket-owner "$account" >/dev/null
}

copied() {
    local name
    say "copying version $version to $bucket"
    while read -r _ name; do
        case $name in *.zip | *.yaml) put "$release/$name" "$name" ;; esac
    done <"$scratch/sums"
}

url() { echo "https://s3.$region.${suffix:-amazonaws.com}/$bucket/$1"; }

# Keeps any update, whoever makes it, from replacing or deleting what holds data.
guarded() {
    aws cloudformation set-stack-policy --stack-name "$stack" --stack-policy-body "file://$release/stack-policy.json"
}

first_steps() {
    local api
    api=$(output ApiUrl)
    cat <<STEPS

Tenday $version runs as the stack $stack in $region of the account $account.

  export TENDAY=$api
  export TENDAY_STACK=$stack        # for the commands below

Make a client for the platform, and one for a developer; each secret is shown once:

  tenday operator clients create --platform
  tenday operator clients create --developer DEV-acme

Then get a token, and go on as docs/deploy.md says under "The first event":

  curl -s \$TENDAY/auth/token -d grant_type=client_credentials -d client_id=CLI-… -d client_secret=…

For production: bash stack.sh --stack $stack set KeepTables=true AlarmEmail=you@example.com
STEPS
}

# Partition and suffix of what is not the commercial regions.
partitioned() {
    partition=aws suffix=amazonaws.com
    case $region in
    cn-*) partition=aws-cn suffix=amazonaws.com.cn ;;
    us-gov-*) partition=aws-us-gov ;;
    esac
}

installed() {
    named_values
    whereabouts
    partitioned
    fetched
    case $now in
    none | REVIEW_IN_PROGRESS | CREATE_IN_PROGRESS | ROLLBACK_IN_PROGRESS | ROLLBACK_COMPLETE | ROLLBACK_FAILED | CREATE_FAILED) ;;
    DELETE_FAILED) fail "the stack $stack was being deleted, which failed, and it may have held data: end that first (docs/deploy.md, Taking it down), or give another name: --stack NAME" ;;
    CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE)
        local runs
        runs=$(output Release)
        [ "$runs" = "$version" ] || fail "the stack $stack is there already, with ${runs:+version }${runs:-a template that is no release}: upgrade it, or give another name: --stack NAME"
        [ ${#changes[@]} = 0 ] || fail "version $version is installed as $stack already; parameters are changed with: set NAME=VALUE"
        guarded
        first_steps
        return
        ;;
    *) fail "the stack $stack is $now: wait until it has ended, or mend it as docs/deploy.md says" ;;
    esac
    parameters_checked new
    bucket_checked
    say "Tenday $version becomes the stack $stack in $region of the account $account; its packages go to the bucket $bucket."
    [[ $now != ROLLBACK_* && $now != *_FAILED ]] || say "A first attempt failed ($now); what is left of it is deleted first. It never held data."
    [ "$now" != REVIEW_IN_PROGRESS ] || say "A change set was made for $stack and never executed; it goes first."
    confirmed "Go on?"
    if [[ $now == CREATE_IN_PROGRESS || $now == ROLLBACK_IN_PROGRESS ]]; then
        say "an installation is under way; waiting for its end"
        now=$(ended)
    fi
    if [[ $now == ROLLBACK_* || $now == *_FAILED || $now == REVIEW_IN_PROGRESS ]]; then
        aws cloudformation delete-stack --stack-name "$stack"
        aws cloudformation wait stack-delete-complete --stack-name "$stack" || fail "what is left of the first attempt cannot be deleted; look: aws cloudformation describe-stack-events --stack-name $stack"
        now=none
    fi
    if [ "$now" = none ]; then
        bucket_made
        copied
        local parameters name
        parameters=$(given ArtefactsBucket "$bucket")$(given Revision "$(revision)")
        for name in ${changes[@]+"${changes[@]}"}; do parameters+=$(given "${name%%=*}" "${name#*=}"); done
        say "making the stack; a few minutes"
        aws cloudformation create-stack --stack-name "$stack" --template-url "$(url "tenday/$template")" \
            --parameters "[${parameters%,}]" --capabilities "${capabilities[@]}" --tags Key=application,Value=tenday >/dev/null
        now=$(ended)
    fi
    [ "$now" = CREATE_COMPLETE ] || {
        reasons
        fail "the installation failed, and the stack is $now. Mend the cause, and run this again."
    }
    guarded
    first_steps
}

# Numbers between dots, compared one by one; what is no number is as 0.
older_than() {
    local one two number
    IFS=. read -r -a one <<<"${1%%[-+]*}"
    IFS=. read -r -a two <<<"${2%%[-+]*}"
    for number in 0 1 2 3; do
        local left=${one[number]:-0} right=${two[number]:-0}
        left=${left//[!0-9]/} right=${right//[!0-9]/}
        ((10#${left:-0} == 10#${right:-0})) || { ((10#${left:-0} < 10#${right:-0})) && return 0 || return 1; }
    done
    return 1
}

# The stack can be changed now, or is told why not.
changeable() {
    case $now in
    CREATE_COMPLETE | UPDATE_COMPLETE | UPDATE_ROLLBACK_COMPLETE) ;;
    UPDATE_*IN_PROGRESS)
        say "an update of $stack is under way; waiting for its end"
        now=$(ended)
        [[ $now == *FAILED ]] && fail "that update ended as $now: see docs/deploy.md, Rollback"
        ;;
    UPDATE_ROLLBACK_FAILED)
        fail "an update could not be taken back. First: aws cloudformation continue-update-rollback --stack-name $stack"
        ;;
    none) fail "there is no stack $stack in $region of the account $account; install makes one" ;;
    *) fail "the stack $stack is $now: install was not finished; run it again" ;;
    esac
    return 0
}

# Updates the stack to the template of that key, after showing what changes; `$2` has the parameters.
brought_to() {
    local change said
    change=$3-$(date +%s)
    aws cloudformation create-change-set --stack-name "$stack" --change-set-name "$change" --template-url "$(url "$1")" \
        --parameters "[${2%,}]" --capabilities "${capabilities[@]}" >/dev/null
    while said=$(aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" --query Status --output text) &&
        [[ $said == CREATE_PENDING || $said == CREATE_IN_PROGRESS ]]; do sleep "${TENDAY_POLL_SECONDS:-5}"; done
    if [ "$said" != CREATE_COMPLETE ]; then
        said=$(aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" --query StatusReason --output text)
        aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change" >/dev/null
        case $said in
        *"didn't contain changes"* | *'No updates'*) say "nothing changes" && return ;;
        esac
        fail "CloudFormation refuses the change, and nothing was changed: $said"
    fi
    aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" --output text \
        --query 'Changes[].ResourceChange.[Action,LogicalResourceId,Replacement]' >&2
    if [ -z "$yes" ]; then
        local answer
        read -r -p "Make these changes? [y/N] " answer || answer=n
        if [ "$answer" != y ]; then
            aws cloudformation delete-change-set --stack-name "$stack" --change-set-name "$change" >/dev/null
            fail "nothing was changed"
        fi
    fi
    aws cloudformation execute-change-set --stack-name "$stack" --change-set-name "$change" >/dev/null
    say "waiting until it is done"
    updated
}

# Keeps the template that runs now in the bucket, and prints its key; nothing where it is the same as that file.
kept_before() {
    # Within $( ), where this runs, a failure would be passed over.
    aws cloudformation get-template --stack-name "$stack" --template-stage Original --query TemplateBody --output text \
        >"$scratch/before.yaml" || exit 1
    [ "$(<"$scratch/before.yaml")" != "$(<"$1")" ] || return 0
    local sum
    sum=$(sums "$scratch/before.yaml")
    put "$scratch/before.yaml" "before-$stack-${sum:0:16}.yaml" || exit 1
    echo "tenday/before-$stack-${sum:0:16}.yaml"
}

upgraded() {
    named_values
    whereabouts
    partitioned
    changeable
    # Of a stack that `install` made, its own bucket.
    local own runs before names name parameters='' value
    own=$(parameter ArtefactsBucket)
    [ -z "$own" ] || [ -z "$bucket" ] || [ "$own" = "$bucket" ] || say "the packages move from the bucket $own to $bucket; keep $own until there is no going back to it"
    fetched
    runs=$(output Release)
    if [ -n "$runs" ] && older_than "$version" "$runs" && [ -z "$older" ]; then
        fail "the stack $stack runs version $runs, and $version is older: rollback goes back to what ran before, --older insists"
    fi
    parameters_checked stack
    if [ -z "$bucket" ] && [ -n "$own" ]; then
        bucket=$own
        bucket_checked
        [ "$bucket" != "tenday-artefacts-$account-$region" ] || bucket_is_ours=1
    else
        bucket_checked
    fi
    say "The stack $stack in $region of the account $account goes from ${runs:-a template that is no release} to version $version."
    confirmed "Copy the release to $bucket, and show what would change?"
    bucket_made
    copied
    before=$(kept_before "$release/$template")
    names=$(parameter_names)
    while read -r kind name _; do
        [ "$kind" = parameter ] || continue
        if [ "$name" = ArtefactsBucket ]; then
            parameters+=$(given ArtefactsBucket "$bucket")
        elif [ "$name" = ReleaseBefore ] && [ -n "$before" ]; then
            parameters+=$(given ReleaseBefore "$before")
        elif [ "$name" = Revision ] && [ -n "$before${changes[*]+x}" ]; then
            parameters+=$(given Revision "$(revision)")
        elif value=$(value_of "$name" ${changes[@]+"${changes[@]}"}); then
            parameters+=$(given "$name" "$value")
        elif [[ " $names " == *" $name "* ]]; then
            parameters+=$(as_it_is "$name")
        fi
    done <"$release/checks.txt"
    brought_to "tenday/$template" "$parameters" upgrade
    guarded
    say "The stack $stack runs version $version. Back again: bash stack.sh --stack $stack rollback"
}

rolled_back() {
    [ ${#changes[@]} = 0 ] || fail "rollback takes no parameters; change them with: set NAME=VALUE"
    whereabouts
    partitioned
    changeable
    local before names known name parameters='' now_key
    before=$(parameter ReleaseBefore) bucket=$(parameter ArtefactsBucket)
    [ -n "$before" ] || fail "there is nothing to go back to: no upgrade of the stack $stack is known"
    aws s3api get-object --bucket "$bucket" --key "$before" --expected-bucket-owner "$account" "$scratch/back.yaml" >/dev/null ||
        fail "the template $before is no longer in the bucket $bucket"
    confirmed "The stack $stack in $region of the account $account goes back to $before. Show what would change?"
    now_key=$(kept_before "$scratch/back.yaml")
    known=$(aws cloudformation get-template-summary --template-url "$(url "$before")" --query 'Parameters[].ParameterKey' --output text)
    names=$(parameter_names)
    for name in $known; do
        if [ "$name" = ReleaseBefore ] && [ -n "$now_key" ]; then
            parameters+=$(given ReleaseBefore "$now_key")
        elif [ "$name" = Revision ]; then
            parameters+=$(given Revision "$(revision)")
        elif [ "$name" = GradualIsOn ]; then
            # By steps it would take minutes, and while an alarm sounds CodeDeploy begins nothing.
            [ "$(parameter GradualIsOn)" != true ] || say "All at once. Afterwards, by steps again: bash stack.sh --stack $stack set GradualIsOn=true"
            parameters+=$(given GradualIsOn false)
        elif [[ " $names " == *" $name "* ]]; then
            parameters+=$(as_it_is "$name")
        fi
    done
    brought_to "$before" "$parameters" rollback
    say "The stack $stack runs ${before#tenday/} again."
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

case $command in
install) installed ;;
upgrade) upgraded ;;
rollback) rolled_back ;;
save)
    aws cloudformation get-template --stack-name "$stack" --template-stage Original --query TemplateBody --output text
    ;;
set)
    named_values
    names=$(parameter_names)
    parameters=''
    [[ " ${changes[*]+${changes[*]}}" != *' Revision='* ]] || fail "Revision is given by this script"
    if [[ " $names " == *' Revision '* ]]; then changes+=("Revision=$(revision)"); fi
    [ ${#changes[@]} -gt 0 ] || fail "set needs at least one NAME=VALUE"
    for change in "${changes[@]}"; do
        name=${change%%=*}
        [[ " $names " == *" $name "* ]] || fail "the stack $stack has no parameter $name; it has: $names"
        parameters+=$(given "$name" "${change#*=}")
    done
    for name in $names; do
        value_of "$name" "${changes[@]}" >/dev/null || parameters+=$(as_it_is "$name")
    done
    aws cloudformation update-stack --stack-name "$stack" --use-previous-template \
        --capabilities "${capabilities[@]}" --parameters "[${parameters%,}]" --output text
    say "waiting until it is done"
    updated
    ;;
repair)
    parameters=$(for name in $(parameter_names); do as_it_is "$name"; done)
    change=repair-$(date +%s)
    aws cloudformation create-change-set --stack-name "$stack" --change-set-name "$change" --use-previous-template \
        --deployment-mode REVERT_DRIFT --capabilities "${capabilities[@]}" --parameters "[${parameters%,}]" --output text
    aws cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$change" ||
        fail "there is nothing to put back, or it cannot be: aws cloudformation describe-change-set --stack-name $stack --change-set-name $change"
    aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" \
        --query 'Changes[].ResourceChange.[Action,LogicalResourceId,Replacement]' --output text
    confirmed "Put these back?"
    aws cloudformation execute-change-set --stack-name "$stack" --change-set-name "$change"
    updated
    ;;
kept)
    for name in SettingsTable EventsTable KeyringKey; do
        id=$(aws cloudformation describe-stack-resource --stack-name "$stack" --logical-resource-id $name \
            --query StackResourceDetail.PhysicalResourceId --output text)
        echo "$name $id"
    done
    network=$(aws cloudformation describe-stack-resources --stack-name "$stack" \
        --query "StackResources[?LogicalResourceId=='Network'].PhysicalResourceId" --output text)
    if [ -n "$network" ]; then
        aws cloudformation describe-stack-resources --stack-name "$network" --output text \
            --query "StackResources[?ResourceType=='AWS::EC2::EIP'].PhysicalResourceId" | tr '\t' '\n' | while read -r address; do
            echo "address $address $(aws ec2 describe-addresses --public-ips "$address" --query 'Addresses[0].AllocationId' --output text)"
        done
    fi
    ;;
help) usage ;;
*)
    usage >&2
    fail "there is no command $command"
    ;;
esac
