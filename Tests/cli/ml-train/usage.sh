# Wrong usage exits 64, and an output that cannot be written is refused before the model is read.
# needs: ml-train model
. "$ROOT/Tests/cli/refuse"
run=(ml-train --model absent.gguf)
touch file
mkdir full
touch full/letters
refuse "no output" "${run[@]}" "$READY/chunks.mls"
refuse "standard output" "${run[@]}" -o - "$READY/chunks.mls"
refuse "merge to standard output" ml-train merge --model absent.gguf --adapter absent -o -
for output in absent/out file full /proc/out; do
  refuse "output $output" "${run[@]}" -o "$output" "$READY/chunks.mls"
done
for options in "--lora-targets q_proj,q_proj" "--lora-targets head" "--train-also norm,norm" \
  "--weight-decay inf" "--stage 3"; do
  # shellcheck disable=SC2086
  refuse "$options" "${run[@]}" -o out $options "$READY/chunks.mls"
done
refuse "no targets" "${run[@]}" -o out --lora-targets "" "$READY/chunks.mls"
# Layers that no model has, whatever is counted from them.
mkdir llama
cp "$FIXTURES/llama-tied/config.json" llama/
cp "$FIXTURES/llama-tied/weights.safetensors" llama/model.safetensors
for stage in 1 2; do
  for layer in 9223372036854775807 -9223372036854775808; do
    refuse "stage $stage, memory layer $layer" \
      ml-train --stage $stage --model llama "--memory-layer=$layer" -o out "$READY/chunks.mls"
  done
done
