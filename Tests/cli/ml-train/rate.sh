# A run whose every step has rate 0 would train nothing, and is refused with the numbers.
# needs: ml-train model
. "$ROOT/Tests/cli/refuse"
run=(ml-train --model "$MODEL" --stage 1 -o out)
for options in "--max-steps 1" "--max-steps 2" "--max-steps 1 --schedule cosine --warmup-steps 4" \
  "--max-steps 1 --schedule constant"; do
  # shellcheck disable=SC2086
  refuse "$options" "${run[@]}" $options "$READY/chunks.mls"
done
