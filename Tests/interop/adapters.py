"""Adapters between this package and PEFT, on tiny models without memory: Llama, Phi-3, Gemma.

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
    from transformers import AutoModelForCausalLM, GemmaConfig, LlamaConfig, Phi3Config
except ImportError as error:
    print(f"adapters.py: skipped: {error}")
    sys.exit(0)

VOCABULARY, CHUNK, SEGMENT, TOKENS = 199, 16, 64, 256
SHAPE = {
    "vocab_size": VOCABULARY, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 4,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
    "attn_implementation": "eager", "pad_token_id": None, "bos_token_id": 0, "eos_token_id": 1}
SPLIT = ["q_proj", "k_proj", "v_proj", "o_proj"]
# A configuration and what PEFT calls its attention's projections.
MODELS = [
    (LlamaConfig(**SHAPE, tie_word_embeddings=False), SPLIT),
    (Phi3Config(**SHAPE, sliding_window=24), ["qkv_proj", "o_proj"]),
    (GemmaConfig(**SHAPE, head_dim=24, hidden_activation="gelu_pytorch_tanh"), SPLIT),
]


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


def compare(tools, config, targets):
    """The largest difference of each way, by its name."""
    torch.manual_seed(1)

    def run(tool, *arguments):
        subprocess.run([f"{tools}/{tool}", *arguments, "-q"], check=True)

    with tempfile.TemporaryDirectory() as folder:
        base, chunks = f"{folder}/base", f"{folder}/chunks.mls"
        AutoModelForCausalLM.from_config(config).save_pretrained(base)
        tokens = torch.randint(0, VOCABULARY, (TOKENS,)).tolist()
        write_chunks(chunks, tokens)

        def ours(name, *arguments):
            run("ml-eval", "lm", *arguments, "--scores", f"{folder}/{name}.mls", "-o",
                f"{folder}/{name}.json", chunks)
            return read_scores(f"{folder}/{name}.mls")

        def fresh():
            return AutoModelForCausalLM.from_pretrained(base, attn_implementation="eager")

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
            r=4, lora_alpha=16, target_modules=targets,
            modules_to_save=["norm"], init_lora_weights=False, task_type="CAUSAL_LM")).eval()
        theirs.save_pretrained(f"{folder}/theirs")
        scores = ours("theirs", "--model", base, "--adapter", f"{folder}/theirs")
        worst["PEFT's adapter in ml-eval"] = (scores - losses(theirs, tokens)).abs().max()

        merged = f"{folder}/merged"
        run("ml-train", "merge", "--model", base, "--adapter", adapter, "--dtype", "f32", "-o", merged)
        again = AutoModelForCausalLM.from_pretrained(merged, attn_implementation="eager")
        worst["ml-train merge in transformers"] = (
            losses(again, tokens) - losses(trained, tokens)).abs().max()

    return worst


def main(tools):
    failed = False
    for config, targets in MODELS:
        for name, difference in compare(tools, config, targets).items():
            print(f"{config.model_type}, {name}: largest difference {difference:.1e} nats")
            failed |= not difference < 1e-4
    if failed:
        sys.exit("adapters.py: over 1e-4")


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
