# A pipe and files give the same bytes, for one thread and for two.
# needs: ml-chunk ml-embed ml-index model retriever
for threads in 1 2; do
  ml-chunk -q --threads $threads --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 \
    "$READY/demo.jsonl" | tee chunks.mls |
    ml-embed -q --threads $threads --model "$RETRIEVER" --query previous --query-tokens 64 \
      --block-tokens 64 | tee embeddings.mls |
    ml-index -q --threads $threads --top-k 2 --memory-tokens 256 >plan.mls
  for shard in chunks embeddings plan; do
    cmp $shard.mls "$READY/$shard.mls" && echo "$shard: the same with --threads $threads"
  done
done
