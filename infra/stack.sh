#!/usr/bin/env bash
# What an operator does to a deployed stack without its code: no build, and nothing shipped but what runs already.
# Needs the AWS CLI, version 2, with a region and credentials.
set -euo pipefail

usage() {
    cat <<'USAGE'
bash infra/stack.sh [--stack NAME] COMMAND      NAME is `tenday` unless told otherwise

  save                 print the template that runs now, for `sam deploy --template-file`: a rollback without a build
  set NAME=VALUE ...   change parameters, and leave all others and the code as they are
  repair               put back what was changed by hand: what CloudFormation made is made as the template says again
  kept                 print what stays, and costs, when the stack is deleted; ask before, its outputs go with it
USAGE
}

fail() {
    echo "error: $1" >&2
    exit 1
}

stack=tenday
if [ "${1:-}" = --stack ]; then
    stack=${2:?--stack needs a name}
    shift 2
fi
command=${1:-help}
[ $# -gt 0 ] && shift

# A macro and roles without names are in the template, and nested stacks.
capabilities=(CAPABILITY_IAM CAPABILITY_AUTO_EXPAND)

parameter_names() {
    aws cloudformation describe-stacks --stack-name "$stack" --query 'Stacks[0].Parameters[].ParameterKey' --output text
}

# CloudFormation takes a failed update back by itself, and says why in its events.
updated() {
    aws cloudformation wait stack-update-complete --stack-name "$stack" ||
        fail "the update failed; why: aws cloudformation describe-stack-events --stack-name $stack"
}

case $command in
save)
    aws cloudformation get-template --stack-name "$stack" --template-stage Original --query TemplateBody --output text
    ;;
set)
    [ $# -gt 0 ] || fail "set needs at least one NAME=VALUE"
    names=$(parameter_names)
    parameters=()
    for change in "$@"; do
        name=${change%%=*}
        case " $(echo $names) " in
        *" $name "*) ;;
        *) fail "the stack $stack has no parameter $name; it has: $(echo $names)" ;;
        esac
        [ "$name" != "$change" ] || fail "$change is not NAME=VALUE"
        # A comma would begin the next field.
        parameters+=("$(printf '{"ParameterKey":"%s","ParameterValue":"%s"}' "$name" "${change#*=}")")
    done
    for name in $names; do
        case " $* " in
        *" $name="*) ;;
        *) parameters+=("$(printf '{"ParameterKey":"%s","UsePreviousValue":true}' "$name")") ;;
        esac
    done
    aws cloudformation update-stack --stack-name "$stack" --use-previous-template \
        --capabilities "${capabilities[@]}" --parameters "[$(IFS=,; echo "${parameters[*]}")]" --output text
    echo "waiting until it is done" >&2
    updated
    ;;
repair)
    parameters=$(for name in $(parameter_names); do printf '{"ParameterKey":"%s","UsePreviousValue":true},' "$name"; done)
    change=repair-$(date +%s)
    aws cloudformation create-change-set --stack-name "$stack" --change-set-name "$change" --use-previous-template \
        --deployment-mode REVERT_DRIFT --capabilities "${capabilities[@]}" --parameters "[${parameters%,}]" --output text
    aws cloudformation wait change-set-create-complete --stack-name "$stack" --change-set-name "$change" ||
        fail "there is nothing to put back, or it cannot be: aws cloudformation describe-change-set --stack-name $stack --change-set-name $change"
    aws cloudformation describe-change-set --stack-name "$stack" --change-set-name "$change" \
        --query 'Changes[].ResourceChange.[Action,LogicalResourceId,Replacement]' --output text
    read -r -p "Put these back? [y/N] " answer
    [ "$answer" = y ] || fail "nothing was changed"
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
help | --help | -h) usage ;;
*)
    usage >&2
    fail "there is no command $command"
    ;;
esac
