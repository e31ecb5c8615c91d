# A reader that goes away ends the tool quietly.
# needs: ml-shard model
set +o pipefail
for _ in 1 2 3; do cat "$READY/chunks.mls" "$READY/chunks.mls" "$READY/chunks.mls"; done >many.mls
ml-shard view many.mls 2>said | head -c 10 | wc -c
cat said
