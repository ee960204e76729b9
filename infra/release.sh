#!/usr/bin/env bash
# Makes a release: what `infra/stack.sh install --from DIRECTORY` deploys, and the workflow `release` publishes.
#
#     bash infra/release.sh --version V [--out DIRECTORY] [--architecture arm64 | x86_64] [--repository OWNER/NAME]
#     bash infra/release.sh --version V [--out DIRECTORY] --built ARCHITECTURE=DIRECTORY [--built ...]
#
# Without --built it builds the functions optimised, all of an architecture in one compilation, and the command `tenday`; that
# needs Rust and cargo-lambda (docs/deploy.md). With --built nothing is compiled. DIRECTORY is target/release-V unless told
# otherwise. Needs Python 3.11.
#
# Reproducible: paths of this machine are mapped away, zips have fixed times, and nothing tells when it was made. The same
# commit, versions of Rust, cargo-lambda and Zig give the same bytes; another one of these gives other binaries.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() {
    echo "error: $1" >&2
    exit 1
}

version='' out='' repository=''
built=() architectures=()
while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || fail "$1 needs a value"
    case $1 in
    --version) version=$2 ;;
    --out) out=$2 ;;
    --repository) repository=$2 ;;
    --built) built+=(--built "$2") ;;
    --architecture) architectures+=("$2") ;;
    *) fail "there is no option $1" ;;
    esac
    shift 2
done
[ -n "$version" ] || fail "--version is missing"
out=${out:-target/release-$version}
[ ${#built[@]} = 0 ] || [ ${#architectures[@]} = 0 ] || fail "--built and --architecture exclude each other"
[ ${#architectures[@]} -gt 0 ] || architectures=(arm64 x86_64)
if [ -d "$out" ] && [ -n "$(find "$out" -mindepth 1 -print -quit)" ]; then fail "$out is not empty"; fi

python=target/venv-sam/bin/python
if [ ! -x "$python" ]; then
    python3 -m venv target/venv-sam
    target/venv-sam/bin/pip install --quiet --requirement infra/checks/requirements-sam.txt
fi

if [ ${#built[@]} = 0 ]; then
    command -v cargo-lambda >/dev/null || fail "cargo-lambda is missing; docs/deploy.md says how to install it"
    mkdir -p "$out"
    for architecture in "${architectures[@]}"; do
        place=${CARGO_TARGET_DIR:-target}/lambda-$architecture
        # As `sam build` does; the command, which has other features, by itself.
        python3 infra/build/functions.py --architecture "$architecture"
        python3 infra/build/functions.py --architecture "$architecture" --command
        built+=(--built "$architecture=$place")
        cp "$place/tenday/bootstrap" "$out/tenday-linux-$architecture"
    done
fi
"$python" infra/release.py --version "$version" --out "$out" --repository "$repository" "${built[@]}"
