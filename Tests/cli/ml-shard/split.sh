# Packed chunks are cut into lanes; the rest, a pipe, too few segments, and chunks by document.
# needs: ml-chunk ml-shard model
ml-chunk -q --tokenizer "$MODEL" --pack stream --chunk-tokens 32 --segment-tokens 128 \
  -o packed.mls "$READY/demo.jsonl"
ml-shard split --lanes 3 -o lanes.mls packed.mls 2>note
grep -o 'segments are left over' note || true
ml-shard check lanes.mls
ml-shard stat lanes.mls | grep streams
ml-shard view lanes.mls | sed 's/.*\("segment":[0-9]*\).*/\1/' | uniq | sort | uniq -c | sed 's/^ *//'
ml-shard split -q --lanes 3 <packed.mls >piped.mls
ml-shard split -q --lanes 3 packed.mls | cmp - piped.mls
for lanes in 0 9999; do
  ml-shard split --lanes $lanes -o none.mls packed.mls 2>&1 | tail -n 1 || true
done
ml-shard split --lanes 2 -o none.mls "$READY/chunks.mls" 2>&1 | sed "s|$READY/||" || true
[ ! -e none.mls ]
