# A tool that dies in a pipe is an error downstream, not the end of the data.
# needs: ml-chunk ml-embed ml-index model retriever
. "$ROOT/Tests/cli/refuse"
refuse "cut on the way" bash -c \
  'set -o pipefail; head -c 2000 "$READY/chunks.mls" | ml-embed --model "$RETRIEVER" | ml-index >/dev/null'
