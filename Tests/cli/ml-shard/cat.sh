# The shell's cat and ml-shard cat make one shard of two; head takes its first rows.
# needs: ml-shard model
cat "$READY/chunks.mls" "$READY/chunks.mls" >two.mls
ml-shard check two.mls
ml-shard cat -o too.mls "$READY/chunks.mls" "$READY/chunks.mls"
ml-shard check too.mls
one=$(ml-shard view "$READY/chunks.mls" | wc -l)
for shard in two too; do
  [ "$(ml-shard view $shard.mls | wc -l)" -eq $((2 * one)) ] && echo "$shard: twice the rows"
done
ml-shard view "$READY/chunks.mls" | head -n 2
