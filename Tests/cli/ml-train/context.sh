# A context that has no room for a segment, and sinks of none, are refused.
# needs: ml-train model
. "$ROOT/Tests/cli/refuse"
run=(ml-train --stage 1 --model "$MODEL" -o out)
for options in "--context 127" "--context 131 --sinks 4" "--context 4 --sinks 9" "--context 0" \
  "--context full" "--context none --sinks 4" "--sinks 4" "--context 200 --sinks=-1"; do
  # shellcheck disable=SC2086
  refuse "$options" "${run[@]}" $options "$READY/chunks.mls"
done
