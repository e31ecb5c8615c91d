# Every tool has --help with two examples and the exit codes, and --version; both exit 0.
# needs: ml-chunk ml-embed ml-index ml-train ml-eval ml-shard
for tool in ml-chunk ml-embed ml-index ml-train ml-eval ml-shard; do
  "$tool" --version >version
  "$tool" --help >help
  for word in USAGE EXAMPLES "EXIT"; do
    grep -i -q "$word" help || echo "$tool --help lacks $word"
  done
  status=0
  "$tool" --no-such-option >/dev/null 2>&1 </dev/null || status=$?
  echo "$tool: version $(cat version), unknown option: exit $status"
done
