#!/usr/bin/env bash
# run.sh COMMAND…: runs COMMAND with a small hub on loopback that has what pipelines/memlong-3b names, and a
# Hugging Face cache of its own, which goes afterwards.
set -eu -o pipefail
here=$(cd "$(dirname "$0")" && pwd)
pypi=${PYPI:-${XDG_CACHE_HOME:-$HOME/.cache}/memlong/pypi}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$here/../../pipelines/tools/pypi.sh" "$pypi" duckdb-cli
python3 "$here/repositories.py" "$scratch/hub" "$pypi/duckdb-cli/bin/duckdb"
unset HF_TOKEN HF_HUB_OFFLINE HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
HF_HOME=$scratch/home python3 "$here/serve.py" "$scratch/hub" "$@"
