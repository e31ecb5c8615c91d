#!/usr/bin/env python3
"""Write a Llama of random bf16 weights, for speed and memory at sizes one need not download.

  pipelines/bench/random-model.py /tmp/llama-3b           OpenLLaMA-3B's shape, 6.9 GB
  pipelines/bench/random-model.py --layers 2 /tmp/llama   the same, two layers

The folder holds config.json, model.safetensors and, for `ml-chunk --tokenizer`, a tokenizer.gguf with
a token a byte, so that a text of n bytes is n tokens. The same shape always gives the same bytes.
"""
import argparse
import array
import json
import pathlib
import random
import struct

# A prime, so that no two rows of a matrix begin at the same place of the pool.
POOL = 1048583


def pool():
    """POOL bf16 numbers of a normal distribution, deviation 0.02, twice over for wrapping reads."""
    draw = random.Random(1).gauss
    values = array.array("f", (draw(0, 0.02) for _ in range(POOL))).tobytes()
    once = b"".join(values[i + 2:i + 4] for i in range(0, len(values), 4))
    return once + once


def tensors(o):
    """Name and shape of every tensor, in file order."""
    d, f, v = o.hidden, o.intermediate, o.vocabulary
    kv = d // o.heads * o.kv_heads
    yield "model.embed_tokens.weight", [v, d]
    for i in range(o.layers):
        p = f"model.layers.{i}."
        yield p + "input_layernorm.weight", [d]
        for name, rows in ("q", d), ("k", kv), ("v", kv), ("o", d):
            yield f"{p}self_attn.{name}_proj.weight", [rows, d]
        yield p + "post_attention_layernorm.weight", [d]
        yield p + "mlp.gate_proj.weight", [f, d]
        yield p + "mlp.up_proj.weight", [f, d]
        yield p + "mlp.down_proj.weight", [d, f]
    yield "model.norm.weight", [d]
    yield "lm_head.weight", [v, d]


def count(shape):
    return shape[0] * (shape[1] if len(shape) > 1 else 1)


def write_weights(path, o):
    # The format is what transformers asks for before it loads a file.
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in tensors(o):
        end = offset + 2 * count(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    numbers, at = pool(), 0
    with open(path, "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        for _, shape in tensors(o):
            left = count(shape)
            if len(shape) == 1:  # a norm: ones
                out.write(b"\x80\x3f" * left)
                continue
            while left > 0:
                part = min(left, POOL)
                out.write(numbers[2 * at:2 * (at + part)])
                at = (at + part) % POOL
                left -= part


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def write_tokenizer(path, vocabulary):
    """A GGUF with no tensors: byte-level BPE without merges, and names nothing spells for the rest."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in printable]
    letters = {b: chr(b) for b in printable} | {b: chr(256 + i) for i, b in enumerate(others)}
    tokens = [letters[b] for b in range(256)]
    tokens += [f"<unused {i}>" for i in range(256, vocabulary - 1)] + ["<|endoftext|>"]
    kinds = [1] * (vocabulary - 1) + [3]  # normal, control
    text, array_of, int32, uint32 = 8, 9, 5, 4
    fields = [("general.architecture", text, string("none")),
              ("general.name", text, string("bytes")),
              ("tokenizer.ggml.model", text, string("gpt2")),
              ("tokenizer.ggml.pre", text, string("gpt-2")),
              ("tokenizer.ggml.tokens", array_of,
               struct.pack("<IQ", text, vocabulary) + b"".join(map(string, tokens))),
              ("tokenizer.ggml.token_type", array_of,
               struct.pack(f"<IQ{vocabulary}i", int32, vocabulary, *kinds)),
              ("tokenizer.ggml.merges", array_of, struct.pack("<IQ", text, 0)),
              ("tokenizer.ggml.eos_token_id", uint32, struct.pack("<I", vocabulary - 1))]
    with open(path, "wb") as out:
        out.write(struct.pack("<4sIQQ", b"GGUF", 3, 0, len(fields)))
        for name, kind, value in fields:
            out.write(string(name) + struct.pack("<I", kind) + value)


def config(o):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
            "hidden_size": o.hidden, "intermediate_size": o.intermediate,
            "num_hidden_layers": o.layers, "num_attention_heads": o.heads,
            "num_key_value_heads": o.kv_heads, "max_position_embeddings": 2048,
            "rms_norm_eps": 1e-6, "vocab_size": o.vocabulary, "tie_word_embeddings": False,
            "torch_dtype": "bfloat16", "eos_token_id": o.vocabulary - 1}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    sizes = {"layers": 26, "hidden": 3200, "heads": 32, "kv-heads": 32, "intermediate": 8640,
             "vocabulary": 32000}
    for name, value in sizes.items():
        parser.add_argument("--" + name, type=int, default=value, metavar="N",
                            help=f"default {value}")
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    (options.folder / "config.json").write_text(json.dumps(config(options), indent=1) + "\n")
    write_tokenizer(options.folder / "tokenizer.gguf", options.vocabulary)
    write_weights(options.folder / "model.safetensors", options)


if __name__ == "__main__":
    main()
