# Of two runs on one output the second is refused in one line, whatever it writes there, and takes nothing from the
# first; checkpoints of another run are refused, or set aside.
# needs: ml-train model
. "$ROOT/Tests/cli/refuse"
run=(ml-train -q --model "$MODEL" --stage 2 --schedule constant --warmup-steps 0 --accumulation 1 --max-steps 2)
mkfifo pipe
"${run[@]}" -o out --checkpoint-every 1 --log log.jsonl --tensorboard events - <pipe &
exec 3>pipe
for wait in {1..100}; do [ -e .events.lock ] || sleep 0.1; done
for options in "-o out" "-o out/" "-o out --resume --checkpoint-every 1" "-o other --checkpoint-dir out.checkpoints" \
  "-o other --log log.jsonl" "-o other --tensorboard events"; do
  # shellcheck disable=SC2086
  refuse "$options" "${run[@]}" $options "$READY/chunks.mls"
done
cat "$READY/chunks.mls" >&3
exec 3>&-
wait %1 && echo "the first is done"
ls -A . out.checkpoints
wc -l <log.jsonl

echo "--- another run's checkpoints"
refuse "another rank" "${run[@]}" -o out --lora-rank 8 --resume "$READY/chunks.mls"
"${run[@]/-q/-v}" -o out --lora-rank 8 --resume --set-aside --checkpoint-every 1 --keep 1 "$READY/chunks.mls" 2>&1 |
  grep -e 'set aside' -e 'going on' | sed "s|$PWD|HERE|"
"${run[@]/-q/-v}" -o out --lora-rank 4 --resume --set-aside "$READY/chunks.mls" 2>&1 |
  grep -e 'set aside' -e 'going on' | sed "s|$PWD|HERE|"
ls -dA out*/checkpoint*
