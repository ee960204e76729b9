# For smoke_stack.sh and load_stack.sh, which source it: two clients of a stack, a developer's and the platform's, which are
# revoked when the script ends, and where the stack is, as smoke.py and load.py ask for it. `stack` and `developer_id` say whose.
# shellcheck shell=bash
outputs=$(aws cloudformation describe-stacks --stack-name "${stack:?}" --query 'Stacks[0].Outputs' --output json)
output() { python3 -c 'import json, sys; print({o["OutputKey"]: o["OutputValue"] for o in json.loads(sys.argv[1])}[sys.argv[2]])' "$outputs" "$1"; }
# Of an answer of tenday's.
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$1" "$2"; }

SETTINGS_TABLE=$(output SettingsTableName)
export SETTINGS_TABLE
tenday=${TENDAY:-target/debug/tenday}
[ -n "${TENDAY:-}" ] || cargo build --workspace --bin tenday --locked
# What TENDAY is here, the main path's scripts take for an address.
unset TENDAY
admin() { "$tenday" operator --json clients "$@"; }

made=()
trap 'if ((${#made[@]})); then admin revoke "${made[@]}" >/dev/null; fi' EXIT
export TENDAY_DEVELOPER=${developer_id:?}
developer=$(admin create --developer "$TENDAY_DEVELOPER")
made+=("$(field "$developer" clientId)")
platform=$(admin create --platform)
made+=("$(field "$platform" clientId)")

TENDAY_BASE_URL=${TENDAY_BASE_URL:-$(output ApiUrl)}
TENDAY_CLIENT_ID=$(field "$developer" clientId) TENDAY_CLIENT_SECRET=$(field "$developer" clientSecret)
TENDAY_PLATFORM_CLIENT_ID=$(field "$platform" clientId) TENDAY_PLATFORM_CLIENT_SECRET=$(field "$platform" clientSecret)
export TENDAY_BASE_URL TENDAY_CLIENT_ID TENDAY_CLIENT_SECRET TENDAY_PLATFORM_CLIENT_ID TENDAY_PLATFORM_CLIENT_SECRET
