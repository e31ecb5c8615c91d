# A context that has no room for a segment, and sinks of none, are refused; a plan for another one is noted.
# needs: ml-train ml-index model
. "$ROOT/Tests/cli/refuse"
run=(ml-train --stage 1 --model "$MODEL" -o out)
for options in "--context 127" "--context 131 --sinks 4" "--context 4 --sinks 9" "--context 0" \
  "--context full" "--context none --sinks 4" "--layout published --sinks 4" "--context 200 --sinks=-1"; do
  # shellcheck disable=SC2086
  refuse "$options" "${run[@]}" $options "$READY/chunks.mls"
done
ml-index -q --context 256 --top-k 2 --memory-tokens 512 -o plan.mls "$READY/embeddings.mls"
for options in "--context 256 --sinks 4" "--context none" "--context 260 --sinks 4"; do
  # shellcheck disable=SC2086
  refuse "a plan for 256, $options" "${run[@]}" --plan plan.mls $options --cache-frozen cache \
    "$READY/chunks.mls"
done
