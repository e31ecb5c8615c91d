# Packed streams that are joined before or after they are embedded find the same chunks in memory.
# needs: ml-chunk ml-embed ml-index ml-shard model retriever
for part in 1 2; do
  sed -n "$((2 * part - 1)),$((2 * part))p" "$READY/demo.jsonl" >part.jsonl
  ml-chunk -q --tokenizer "$MODEL" --pack stream --chunk-tokens 32 --segment-tokens 128 \
    -o chunks$part.mls part.jsonl
  ml-embed -q --model "$RETRIEVER" -o embeddings$part.mls chunks$part.mls
done
for reset in document never; do
  cat chunks1.mls chunks2.mls | ml-embed -q --model "$RETRIEVER" |
    ml-index -q --reset $reset --select recent >before.mls
  cat embeddings1.mls embeddings2.mls | ml-index -q --reset $reset --select recent >after.mls
  for plan in before after; do
    ml-shard view $plan.mls | sed 's/,"scores":\[[^]]*\]//' >$plan
  done
  cmp before after
  echo "$reset: $(grep -c '"live":0,' after) blocks with an empty memory"
done
