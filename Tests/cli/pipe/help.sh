# Every tool has --help with two examples and the exit codes, and --version; both exit 0.
# needs: ml-chunk ml-embed ml-index ml-train ml-eval ml-shard
for tool in ml-chunk ml-embed ml-index ml-train ml-eval ml-shard; do
  "$tool" --version >version
  help=("$tool" --help)
  [ "$tool" != ml-eval ] || help=("$tool" help lm)
  "${help[@]}" >help
  # An example is a line to copy: none is wrapped, in no command's help either.
  for command in "" view head check stat cat split plan search lm icl needle report run merge; do
    "$tool" $command --help >all 2>/dev/null || continue
    wrapped=$(sed '1,/^Examples:/d; /^$/q' all | grep -v '^  ' | grep . || true)
    [ -z "$wrapped" ] || echo "$tool $command: an example is wrapped: $wrapped"
    for word in Examples: "Exit status:"; do grep -q "$word" all || echo "$tool $command lacks $word"; done
  done
  for word in USAGE: Examples: "Exit status:"; do
    grep -q "$word" help || echo "${help[*]} lacks $word"
  done
  [ "$(sed '1,/^Examples:/d; /^$/q' help | grep -c "$tool")" -ge 2 ] || echo "$tool lacks examples"
  status=0
  "$tool" --no-such-option >/dev/null 2>&1 </dev/null || status=$?
  echo "$tool: version $(cat version), unknown option: exit $status"
done
