#!/usr/bin/env bash
# smoke.py against a stack on AWS: makes two clients of its own, tries the main path, and revokes them.
#
#     bash infra/checks/smoke_stack.sh [STACK]        [tenday]
#
# Needs the AWS CLI, Python 3.11, a region, and credentials that may read the stack and the settings table's items and write
# them; and the command `tenday`: TENDAY says where it is, else it is built, which takes Rust. TENDAY_RECEIVER and TENDAY_RECEIVER_ADDRESSES are handed on, TENDAY_BASE_URL takes the place of the
# output ApiUrl.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

stack=${1:-tenday}
# shellcheck disable=SC2034
developer_id=DEV-smoke
# shellcheck source=infra/checks/clients_of_stack.sh
. infra/checks/clients_of_stack.sh
python3 infra/checks/smoke.py
