# Without products of bf16, --compute bf16 is refused in a line that says how to have them.
# needs: ml-eval ml-train model no-bf16
. "$ROOT/Tests/cli/refuse"
bf16() {
  refuse "$@" --compute bf16 |
    sed 's/: built without oneDNN: swift build --traits OneDNN /: WHY /; s/: this processor has no avx512_bf16 /: WHY /'
}
bf16 lm ml-eval lm --model "$MODEL" -o out "$READY/chunks.mls"
bf16 icl ml-eval icl --model "$MODEL" -o out --task sst-2
bf16 needle ml-eval needle --model "$MODEL" -o out
bf16 generate ml-eval generate --model "$MODEL" --prompt x
bf16 training ml-train --model "$MODEL" -o out "$READY/chunks.mls"
refuse "a type that there is not" ml-eval lm --model "$MODEL" -o out --compute f16 "$READY/chunks.mls"
