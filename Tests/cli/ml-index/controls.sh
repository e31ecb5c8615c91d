# The controls are other plans over the same blocks; a seed names a random one.
# needs: ml-index ml-shard retriever
for select in nearest recent random; do
  ml-index -q --top-k 2 --memory-tokens 256 --select "$select" -o "$select.mls" "$READY/embeddings.mls"
  ml-shard check "$select.mls"
done
cmp <(tail -c 16 nearest.mls) <(tail -c 16 "$READY/plan.mls")
cmp -s recent.mls nearest.mls || echo "recent differs"
cmp -s random.mls nearest.mls || echo "random differs"
ml-index -q --top-k 2 --memory-tokens 256 --select random -o again.mls "$READY/embeddings.mls"
cmp again.mls random.mls
ml-index -q --top-k 2 --memory-tokens 256 --select random --seed 7 -o other.mls "$READY/embeddings.mls"
cmp -s other.mls random.mls || echo "another seed differs"
ml-index -q --top-k 2 --recent 1 --context 1152 -o mixed.mls "$READY/embeddings.mls"
ml-shard stat mixed.mls | grep -E 'recent_chunks|context_tokens'
for plan in nearest recent random; do
  ml-shard view "$plan.mls" | grep -o '"row":[0-9]*' | sha256sum | head -c 8
  echo
done
