"""Adapters between this package and PEFT, on a tiny Llama without memory.

    python3 Tests/interop/adapters.py BIN

BIN holds ml-train and ml-eval. Needs torch, transformers, peft, safetensors, zstandard and xxhash;
without one of them it says so and ends with 0. Three ways are compared, token by token, by their
negative log-likelihoods: an adapter of ml-train in PEFT, an adapter of PEFT in ml-eval, and a model
of `ml-train merge` in transformers.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile

try:
    import torch
    import xxhash
    import zstandard
    from peft import LoraConfig, PeftModel, get_peft_model
    from safetensors.torch import load as load_tensors, save as save_tensors
    from transformers import LlamaConfig, LlamaForCausalLM
except ImportError as error:
    print(f"adapters.py: skipped: {error}")
    sys.exit(0)

VOCABULARY, CHUNK, SEGMENT, TOKENS = 199, 16, 64, 256


def write_chunks(path, tokens):
    """A shard of kind chunks (Sources/ShardIO/FORMAT.md), one document."""
    rows = len(tokens) // CHUNK
    text = b"x" * rows
    tensors = {
        "tokens": torch.tensor(tokens, dtype=torch.uint16).reshape(rows, CHUNK),
        "length": torch.full((rows,), CHUNK, dtype=torch.uint16),
        "document": torch.zeros(rows, dtype=torch.int64),
        "ordinal": torch.arange(rows, dtype=torch.int32),
        "segment": torch.arange(rows, dtype=torch.int32) // (SEGMENT // CHUNK),
        "source": torch.zeros(rows, dtype=torch.uint8),
        "text_offsets": torch.arange(rows + 1, dtype=torch.int64),
        "text": torch.tensor(list(text), dtype=torch.uint8),
    }
    tokenizer = {"name": "none", "vocabulary_size": VOCABULARY, "digest": "0" * 32}
    metadata = {
        "format": "memlong/1", "kind": "chunks", "block": "0", "first_row": "0",
        "rows": str(rows), "chunk_tokens": str(CHUNK), "segment_tokens": str(SEGMENT),
        "pack": "document", "sources": '["none"]', "tokenizer": json.dumps(tokenizer),
    }
    block = save_tensors(tensors, metadata)
    header = 8 + struct.unpack("<Q", block[:8])[0]
    frame = zstandard.ZstdCompressor(write_checksum=True, write_content_size=True).compress(block)
    end = b"MLEND\0\0\1" + struct.pack("<QQ", 1, rows) + xxhash.xxh3_128_digest(block[header:])
    with open(path, "wb") as file:
        file.write(frame + struct.pack("<II", 0x184D2A5E, len(end)) + end)


def read_scores(path):
    """Token scores by position; the first token of a document has none."""
    values, data = [], open(path, "rb").read()
    while data[:4] == b"\x28\xb5\x2f\xfd":
        stream = zstandard.ZstdDecompressor().decompressobj()
        values += load_tensors(stream.decompress(data))["nll"].tolist()
        data = stream.unused_data
    return torch.tensor(values[1:])


def losses(model, tokens):
    """The same scores by torch: a segment sees itself only."""
    found = []
    with torch.no_grad():
        for start in range(0, len(tokens), SEGMENT):
            ids = torch.tensor(tokens[start : start + SEGMENT])
            nll = -model(ids[None]).logits[0].log_softmax(-1)
            following = torch.tensor(tokens[start + 1 : start + SEGMENT + 1])
            found.append(nll[torch.arange(len(following)), following])
    return torch.cat(found)


def main(tools):
    torch.manual_seed(1)

    def run(tool, *arguments):
        subprocess.run([f"{tools}/{tool}", *arguments, "-q"], check=True)

    with tempfile.TemporaryDirectory() as folder:
        base, chunks = f"{folder}/base", f"{folder}/chunks.mls"
        config = LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=4,
            num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256,
            tie_word_embeddings=False,
        )
        LlamaForCausalLM(config).save_pretrained(base)
        tokens = torch.randint(0, VOCABULARY, (TOKENS,)).tolist()
        write_chunks(chunks, tokens)

        def ours(name, *arguments):
            run("ml-eval", "lm", *arguments, "--scores", f"{folder}/{name}.mls", "-o",
                f"{folder}/{name}.json", chunks)
            return read_scores(f"{folder}/{name}.mls")

        def fresh():
            return LlamaForCausalLM.from_pretrained(base)

        worst = {"base": (ours("base", "--model", base) - losses(fresh(), tokens)).abs().max()}

        adapter = f"{folder}/adapter"
        run("ml-train", "--model", base, "--mode", "lora-all", "--lora-rank", "4", "--lora-alpha",
            "8", "--learning-rate", "1e-2", "--schedule", "constant", "--warmup-steps", "0",
            "--accumulation", "1", "-o", adapter, chunks)
        trained = PeftModel.from_pretrained(fresh(), adapter).eval()
        scores = ours("trained", "--model", base, "--adapter", adapter)
        worst["ml-train's adapter in PEFT"] = (scores - losses(trained, tokens)).abs().max()
        assert (scores - losses(fresh(), tokens)).abs().max() > 1e-2, "the adapter does nothing"

        theirs = get_peft_model(fresh(), LoraConfig(
            r=4, lora_alpha=16, target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
            modules_to_save=["norm"], init_lora_weights=False, task_type="CAUSAL_LM")).eval()
        theirs.save_pretrained(f"{folder}/theirs")
        scores = ours("theirs", "--model", base, "--adapter", f"{folder}/theirs")
        worst["PEFT's adapter in ml-eval"] = (scores - losses(theirs, tokens)).abs().max()

        merged = f"{folder}/merged"
        run("ml-train", "merge", "--model", base, "--adapter", adapter, "--dtype", "f32", "-o", merged)
        again = LlamaForCausalLM.from_pretrained(merged)
        worst["ml-train merge in transformers"] = (
            losses(again, tokens) - losses(trained, tokens)).abs().max()

    for name, difference in worst.items():
        print(f"{name}: largest difference {difference:.1e} nats")
    if not all(difference < 1e-4 for difference in worst.values()):
        sys.exit("adapters.py: over 1e-4")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
