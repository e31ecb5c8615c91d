# --cache-frozen is refused where nothing is frozen, where DIR is no folder or is another run's.
# needs: ml-train model
. "$ROOT/Tests/cli/refuse"
run=(ml-train --memory-layer 15 -o out --model "$MODEL" --plan "$READY/plan.mls")
refuse "all layers trained" "${run[@]}" --stage 1 --cache-frozen cache "$READY/chunks.mls"
refuse "the embedding trained" "${run[@]}" --train-also embed --cache-frozen cache "$READY/chunks.mls"
refuse "no such type" "${run[@]}" --cache-frozen cache --cache-dtype f16 "$READY/chunks.mls"
touch file
refuse "a file" "${run[@]}" --cache-frozen file "$READY/chunks.mls"
mkdir other
echo '{"format":"memlong-frozen/1","run":{"model":"0123456789abcdef"},"files":[]}' >other/cache.json
refuse "of another run" "${run[@]}" --cache-frozen other "$READY/chunks.mls"
echo '{"format":"memlong-frozen/2"}' >other/cache.json
refuse "of another version" "${run[@]}" --cache-frozen other "$READY/chunks.mls"
echo '{' >other/cache.json
refuse "no JSON" "${run[@]}" --cache-frozen other "$READY/chunks.mls"
