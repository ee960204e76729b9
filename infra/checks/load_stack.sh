#!/usr/bin/env bash
# A stated rate of updates through a stack on AWS, from the publisher to the receiver: load.py, which says what it prints.
#
#     bash infra/checks/load_stack.sh STACK --rate 50 --seconds 60 [--dollars 1] [--listen PORT]
#     bash infra/checks/load_stack.sh --local --rate 50 --seconds 20
#
# It makes two clients of its own, of the developer DEV-load, and revokes them. TENDAY_RECEIVER and TENDAY_RECEIVER_ADDRESSES name a
# receiver that leads to --listen on this machine; TENDAY_BASE_URL takes the place of the output ApiUrl. Needs what
# smoke_stack.sh needs. Neither the rate nor the time that it is given is ever exceeded, and a load that would cost more than
# --dollars is refused before a client is made.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

if [ "${1:-}" = --local ]; then exec python3 infra/checks/load.py "$@"; fi
case ${1:-} in
'' | -*)
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
# shellcheck disable=SC2034
stack=$1 developer_id=DEV-load
shift
python3 infra/checks/load.py --refuse-only "$@"
# shellcheck source=infra/checks/clients_of_stack.sh
. infra/checks/clients_of_stack.sh
python3 infra/checks/load.py "$@"
