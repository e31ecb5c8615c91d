# Scores depend neither on threads nor on the name of the plan's file, which may be a pipe.
# needs: ml-eval ml-index model retriever
ml-chunk -q --tokenizer "$MODEL" --chunk-tokens 32 --segment-tokens 128 --max-tokens 300 \
  -o chunks.mls "$READY/demo.jsonl"
ml-embed -q --model "$RETRIEVER" --block-tokens 64 chunks.mls | ml-index -q --top-k 2 -o plan.mls
score() {
  ml-eval lm -q --model "$MODEL" --memory-layer 15 --retrieval-layers 15,19 "$@" -o result.json chunks.mls
}
score --threads 1 --plan plan.mls --scores file.mls
score --threads 2 --plan <(cat plan.mls) --scores pipe.mls
cmp file.mls pipe.mls
ml-shard check file.mls
zstd -q -t file.mls
ml-shard view file.mls | grep -c '"scored":true'
