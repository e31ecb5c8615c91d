"""A tiny random XLM-RoBERTa retriever in `pytorch_model.bin`, and its vectors.

    python3 Tests/interop/retriever.py Tests/Fixtures

Needs torch 2.5.1, transformers 4.46.1, sentencepiece and safetensors. It reads
sentencepiece-unigram/unigram.model and wrote xlmr-bin: a folder as bge-m3's, but for that model, which is
not copied. `case.json` has texts with the ids of the slow tokenizer and the fast one, which agree;
`tensors.safetensors` the vectors of the first token, normalised: `keys` of texts cut at their end,
`queries` of texts cut at their beginning.
"""

import json
import os
import shutil
import sys
import tempfile

import torch
from safetensors.torch import save_file
from transformers import XLMRobertaConfig, XLMRobertaModel, XLMRobertaTokenizer

LENGTH = 24
TEXTS = [
    "Hello, world!", "the cat sat on the mat", "  two   spaces at both ends  ", "",
    "Numbers 12345 and 3.14159; a <mask> and </s> inside.",
    "It was a bright cold day in April, and the clocks were striking thirteen. " * 3,
]


def main(fixtures):
    torch.manual_seed(0)
    folder = os.path.join(fixtures, "xlmr-bin")
    os.makedirs(os.path.join(folder, "1_Pooling"), exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        vocabulary = os.path.join(scratch, "sentencepiece.bpe.model")
        shutil.copy(os.path.join(fixtures, "sentencepiece-unigram", "unigram.model"), vocabulary)
        tokenizer = XLMRobertaTokenizer(vocabulary)
    config = XLMRobertaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, max_position_embeddings=34, type_vocab_size=1, layer_norm_eps=1e-5,
        initializer_range=0.3, pad_token_id=1, bos_token_id=0, eos_token_id=2)
    model = XLMRobertaModel(config, add_pooling_layer=False).eval()

    vectors = {"keys": [], "queries": []}
    texts = []
    for text in TEXTS:
        ids = tokenizer(text.strip(), add_special_tokens=False)["input_ids"]
        texts.append({"text": text, "ids": ids})
        cut = {"keys": ids[: LENGTH - 2], "queries": ids[-(LENGTH - 2):]}
        for role, part in cut.items():
            with torch.no_grad():
                states = model(torch.tensor([[0] + part + [2]])).last_hidden_state
            vectors[role].append(torch.nn.functional.normalize(states[0, 0], dim=0))

    torch.save(model.state_dict(), os.path.join(folder, "pytorch_model.bin"))
    save_file(
        {name: torch.stack(rows) for name, rows in vectors.items()},
        os.path.join(folder, "tensors.safetensors"))
    kept = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "model_type",
            "num_attention_heads", "max_position_embeddings", "type_vocab_size", "layer_norm_eps",
            "pad_token_id", "hidden_act", "position_embedding_type"]
    files = {
        "config.json": {key: getattr(config, key) for key in kept},
        "case.json": {"length": LENGTH, "texts": texts},
        "tokenizer_config.json": {
            "tokenizer_class": "XLMRobertaTokenizer", "model_max_length": LENGTH},
        "modules.json": [
            {"path": path, "type": "sentence_transformers.models." + type} for path, type in
            [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]],
        "1_Pooling/config.json": {"pooling_mode_cls_token": True},
    }
    for name, content in files.items():
        with open(os.path.join(folder, name), "w") as file:
            json.dump(content, file, indent=1)
            file.write("\n")


main(sys.argv[1])
