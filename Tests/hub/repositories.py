"""repositories.py FOLDER DUCKDB: what pipelines/memlong-3b names on the Hugging Face hub, small and random.

FOLDER gets repositories for serve.py, under the names and commits that config.mk gives, with the files of
the real ones: the architectures of OpenLLaMA 3B v2 and bge-m3 as torch.save writes them (torch is not
needed), rows of token ids, and generated texts. Beside them lie files that nobody needs.
"""

import gzip
import io
import json
import os
import pickle
import random
import re
import shutil
import struct
import subprocess
import sys
import types
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "Fixtures")
CONFIG = os.path.join(HERE, "../../pipelines/memlong-3b/config.mk")
ROW, ROWS = 4096, 3

DRAW = random.Random(1)
POOL = [DRAW.gauss(0, 0.05) for _ in range(65537)]


# --- torch.save --------------------------------------------------------------------------------------

class Storage:
    def __init__(self, kind, key, count):
        self.persistent = ("storage", kind, key, "cpu", count)


class Tensor:
    def __init__(self, storage, shape):
        self.arguments = (storage, 0, shape, strides(shape), False, {})

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


def strides(shape):
    return tuple(count(shape[i + 1:]) for i in range(len(shape)))


def count(shape):
    return 1 if not shape else shape[0] * count(shape[1:])


class Pickler(pickle.Pickler):
    def persistent_id(self, value):
        return value.persistent if isinstance(value, Storage) else None


def pretend_torch():
    """Modules whose members are pickled by torch's names."""
    torch, utils = types.ModuleType("torch"), types.ModuleType("torch._utils")
    for name in ("HalfStorage", "FloatStorage"):
        setattr(torch, name, type(name, (), {"__module__": "torch"}))

    def _rebuild_tensor_v2():
        pass

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    utils._rebuild_tensor_v2 = _rebuild_tensor_v2
    sys.modules |= {"torch": torch, "torch._utils": utils}
    return torch


def save(path, tensors, letter):
    """Tensors (name, shape) as torch.save writes a state dictionary; letter is struct's: e half, f float."""
    torch = pretend_torch()
    kind = torch.HalfStorage if letter == "e" else torch.FloatStorage
    state, at = {}, 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for key, (name, shape) in enumerate(tensors):
            size = count(shape)
            if name.lower().endswith(("norm.weight",)):
                values = [1.0] * size
            elif name.endswith("bias"):
                values = [0.0] * size
            else:
                values = [POOL[(at + i) % len(POOL)] for i in range(size)]
                at += size
            archive.writestr(f"pytorch_model/data/{key}", struct.pack(f"<{size}{letter}", *values))
            state[name] = Tensor(Storage(kind, str(key), size), shape)
        text = io.BytesIO()
        Pickler(text, protocol=2).dump(state)
        archive.writestr("pytorch_model/data.pkl", text.getvalue())
        archive.writestr("pytorch_model/byteorder", "little")
        archive.writestr("pytorch_model/version", "3\n")


# --- Models ------------------------------------------------------------------------------------------

def llama(folder):
    # Published: hidden 3200, intermediate 8640, 32 heads; all else is as published.
    hidden, intermediate, layers, words = 80, 216, 26, 32000
    tensors = [("model.embed_tokens.weight", (words, hidden))]
    for i in range(layers):
        layer = f"model.layers.{i}."
        tensors += [(f"{layer}self_attn.{n}_proj.weight", (hidden, hidden)) for n in "qkvo"]
        tensors += [(f"{layer}mlp.{n}_proj.weight", (intermediate, hidden)) for n in ("gate", "up")]
        tensors += [(f"{layer}mlp.down_proj.weight", (hidden, intermediate))]
        norms = ("input_layernorm", "post_attention_layernorm")
        tensors += [(f"{layer}{n}.weight", (hidden,)) for n in norms]
    tensors += [("model.norm.weight", (hidden,)), ("lm_head.weight", (words, hidden))]
    save(f"{folder}/pytorch_model.bin", tensors, "e")
    write(folder, "config.json", {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu",
        "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": 4, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6,
        "vocab_size": words, "tie_word_embeddings": False, "torch_dtype": "float16",
        "initializer_range": 0.02, "use_cache": True, "transformers_version": "4.31.0.dev0",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    copy("sentencepiece-bpe/tokenizer.model", f"{folder}/tokenizer.model")
    write(folder, "tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True})
    write(folder, "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2})


def llama_tokenizer(folder):
    copy("sentencepiece-bpe/tokenizer.model", f"{folder}/tokenizer.model")
    write(folder, "model-00001-of-00002.safetensors", "not needed")


def bge_m3(folder):
    # Published: hidden 1024, intermediate 4096, 24 layers, 16 heads, 250002 words.
    hidden, intermediate, layers, words, positions = 32, 64, 2, 502, 8194
    tensors = [("embeddings.word_embeddings.weight", (words, hidden)),
               ("embeddings.position_embeddings.weight", (positions, hidden)),
               ("embeddings.token_type_embeddings.weight", (1, hidden))]
    linear = {"attention.self.query": (hidden, hidden), "attention.self.key": (hidden, hidden),
              "attention.self.value": (hidden, hidden), "attention.output.dense": (hidden, hidden),
              "intermediate.dense": (intermediate, hidden), "output.dense": (hidden, intermediate)}
    norms = ["embeddings.LayerNorm"]
    for i in range(layers):
        for name, shape in linear.items():
            tensors.append((f"encoder.layer.{i}.{name}.weight", shape))
            tensors.append((f"encoder.layer.{i}.{name}.bias", shape[:1]))
        norms += [f"encoder.layer.{i}.{n}.LayerNorm" for n in ("attention.output", "output")]
    tensors += [(f"{n}.{part}", (hidden,)) for n in norms for part in ("weight", "bias")]
    tensors += [("pooler.dense.weight", (hidden, hidden)), ("pooler.dense.bias", (hidden,))]
    save(f"{folder}/pytorch_model.bin", tensors, "f")
    write(folder, "config.json", {
        "architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta", "hidden_act": "gelu",
        "hidden_size": hidden, "intermediate_size": intermediate, "num_hidden_layers": layers,
        "num_attention_heads": 4, "max_position_embeddings": positions, "type_vocab_size": 1,
        "vocab_size": words, "layer_norm_eps": 1e-5, "position_embedding_type": "absolute",
        "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2})
    copy("sentencepiece-unigram/unigram.model", f"{folder}/sentencepiece.bpe.model")
    write(folder, "tokenizer_config.json", {
        "tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 8192})
    write(folder, "sentence_bert_config.json", {"max_seq_length": 8192, "do_lower_case": False})
    write(folder, "modules.json", [
        {"idx": i, "name": str(i), "path": path, "type": "sentence_transformers.models." + kind}
        for i, (path, kind) in enumerate(
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")])])
    write(folder, "1_Pooling/config.json", {
        "word_embedding_dimension": hidden, "pooling_mode_cls_token": True,
        "pooling_mode_mean_tokens": False})
    for name in ("onnx/model.onnx", "sparse_linear.pt", "imgs/others.webp"):
        write(folder, name, "not needed")


# --- Texts -------------------------------------------------------------------------------------------

WHO = "Anne Elliot Walter Harville Wentworth Louisa Musgrove Russell Croft Benwick".split()
DID = "walked spoke wrote listened smiled hoped waited returned danced remembered".split()
WHERE = "to the harbour|in the garden|near the old church|by the sea|at the concert".split("|")


def sentences(number):
    return [f"{DRAW.choice(WHO)} {DRAW.choice(DID)} {DRAW.choice(WHERE)}." for _ in range(number)]


def pg19(folder, duckdb):
    books = [{"short_book_title": f"Book {i}", "publication_date": 1900 + i, "url": "",
              "text": " ".join(sentences(130 + 10 * i)) + "\n"} for i in range(2)]
    parquet(duckdb, books, f"{folder}/data/test-00000-of-00001-29a571947c0b5ccc.parquet")
    write(folder, "data/train-00000-of-00023-0000000000000000.parquet", "not needed")


def proof_pile(folder, _):
    papers = [{"text": "\n".join(sentences(140)), "meta": {"config": "arxiv"}},
              {"text": "Too short for a window.", "meta": {"config": "arxiv"}}]
    os.makedirs(f"{folder}/test")
    with gzip.open(f"{folder}/test/proofpile_test.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(paper) + "\n" for paper in papers)
    write(folder, "train/proofpile_train_0.jsonl.gz", "not needed")


def wikitext(folder, duckdb):
    lines = []
    for i in range(12):
        lines += ["", f" = Article {i} = \n", ""] + [f" {line} \n" for line in sentences(11)]
    rows = [{"text": line} for line in lines]
    parquet(duckdb, rows, f"{folder}/wikitext-103-raw-v1/test-00000-of-00001.parquet")
    write(folder, "wikitext-103-raw-v1/train-00000-of-00002.parquet", "not needed")


def slimpajama(folder, duckdb):
    """Rows of ROW ids, in spans, of the texts that an independent tokenizer encoded."""
    cases = json.load(open(os.path.join(FIXTURES, "sentencepiece-bpe/case.json")))["rows"]
    texts = [case["sp_ids"] for case in cases if 8 < len(case["sp_ids"]) < 400]
    for shard in range(2):
        rows = []
        for _ in range(ROWS):
            ids, source = [], []
            while len(ids) < ROW:
                start = len(ids)
                ids += [1] + [i for _ in range(6) for i in DRAW.choice(texts)]
                del ids[ROW:]
                name = DRAW.choice(["RedPajamaBook", "RedPajamaC4", "RedPajamaArXiv"])
                source.append({"end": len(ids), "source": name, "start": start})
            rows.append({"input_ids": ids, "labels": 2, "source": source})
        parquet(duckdb, rows, f"{folder}/data/train-{shard:05}-of-00002.parquet")


def slimpajama_627b(folder, _):
    for number in (0, 1, 10, 50, 100):  # the last two are beyond what is wanted
        row = {"text": " ".join(sentences(40)), "meta": {"redpajama_set_name": "RedPajamaC4"}}
        write(folder, f"train/chunk1/example_train_{number}.jsonl", json.dumps(row) + "\n")
        subprocess.run(
            ["zstd", "-q", "--rm", f"{folder}/train/chunk1/example_train_{number}.jsonl"], check=True)


def parquet(duckdb, rows, path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    query = ("COPY (SELECT * FROM read_json('/dev/stdin', format = 'newline_delimited', "
             f"maximum_object_size = 100000000)) TO '{path}' (FORMAT PARQUET)")
    subprocess.run([duckdb, "-c", query], input=lines.encode(), check=True)


def copy(fixture, path):
    shutil.copyfile(os.path.join(FIXTURES, fixture), path)


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content if isinstance(content, str) else json.dumps(content, indent=1) + "\n")


MAKERS = {
    "openlm-research/open_llama_3b_v2": lambda folder, _: llama(folder),
    "BAAI/bge-m3": lambda folder, _: bge_m3(folder),
    "NousResearch/Llama-2-7b-chat-hf": lambda folder, _: llama_tokenizer(folder),
    "cerebras/SlimPajama-627B": slimpajama_627b,
    "yaofu/slimpajama-per-source-length-upsample": slimpajama, "emozilla/pg19": pg19,
    "hoskinson-center/proof-pile": proof_pile, "Salesforce/wikitext": wikitext,
}


def main(folder, duckdb):
    addresses = re.findall(r"hf://(datasets/)?([\w.-]+/[\w.-]+)@(\w+)", open(CONFIG).read())
    for kind, name, revision in sorted(set(addresses)):
        repository = os.path.join(folder, kind.rstrip("/") or "models", name)
        os.makedirs(repository)
        write(repository, ".commit", revision if len(revision) == 40 else "0" * 39 + "1")
        write(repository, "README.md", "Not needed.")
        MAKERS[name](repository, duckdb)


main(*sys.argv[1:])
