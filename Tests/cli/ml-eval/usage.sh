# Wrong usage exits 64; what comes through a pipe is called standard input.
# needs: ml-eval model
. "$ROOT/Tests/cli/refuse"
refuse "no command" ml-eval
refuse "one file for two outputs" \
  ml-eval lm --model absent.gguf -o out --scores out "$READY/chunks.mls"
refuse "standard output for two" ml-eval lm --model absent.gguf --scores - "$READY/chunks.mls"
refuse "garbage in a pipe" bash -c 'echo garbage | ml-eval lm --model absent.gguf -o out'
refuse "empty pipe" ml-eval lm --model absent.gguf -o out
refuse "no result in a pipe" ml-eval report -o out.md -
