#!/usr/bin/env bash
# results.sh record|drift PIPELINE: keeps the report in pipelines/PIPELINE/RESULTS, or says how the
# report of the last run differs from the kept one.
set -eu -o pipefail
action=$1 pipeline=$2
report=runs/$pipeline/eval/report.md
kept=pipelines/$pipeline/RESULTS
select=$([ "$pipeline" = demo ] || echo " PIPELINE=$pipeline")

render() {
  echo "Regenerate with: make$select && make results$select"
  echo
  cat "$report"
}

if [ ! -e "$report" ]; then
  echo "results.sh: no $report; run make$select first" >&2
  exit 1
fi
case $action in
  record)
    render >"$kept.new"
    mv "$kept.new" "$kept"
    git diff --stat -- "$kept" 2>/dev/null || true
    echo "$kept written"
    ;;
  drift)
    if [ ! -e "$kept" ]; then
      echo "No $kept yet: make results$select records this report."
    elif render | diff -u --label "$kept" --label "this run" "$kept" -; then
      echo "The report equals $kept."
    else
      echo "The report differs from $kept, as above; make results$select records it."
    fi
    ;;
  *)
    echo "results.sh: unknown: $action" >&2
    exit 64
    ;;
esac
