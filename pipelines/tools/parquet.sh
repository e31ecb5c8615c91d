#!/usr/bin/env bash
# parquet.sh PYPI ROWS FILE… -- COMMAND…: COMMAND reads the rows of the Parquet files, the first ROWS or
# all, as JSON lines on its standard input.
set -eu -o pipefail
pypi=$1 rows=$2 files=
shift 2
while [ "$1" != -- ]; do
  files+="${files:+,}'${1//\'/\'\'}'"
  shift
done
shift
duckdb=$(command -v duckdb || true)
if [ -z "$duckdb" ]; then
  "$(dirname "$0")/pypi.sh" "$pypi" duckdb-cli
  duckdb=$pypi/duckdb-cli/bin/duckdb
fi
limit=
[ "$rows" = all ] || limit="LIMIT $rows"

statuses=(0 0)
"$duckdb" -c "COPY (SELECT * FROM read_parquet([$files]) $limit) TO '/dev/stdout' (FORMAT JSON)" |
  "$@" || statuses=("${PIPESTATUS[@]}")
# COMMAND may have had enough: 141, or 243 from the package's launcher, is a pipe that it closed.
case ${statuses[0]} in 0 | 141 | 243) exit "${statuses[1]}" ;; esac
exit 1
