"""published.py: the published MemLong code (github Bui1dMySea/MemLong), run as its stage 2 and its evaluation are.

From a clone, in float32 on the CPU, with its own retriever class on MiniLM and its own memory: each call searches
with the end of its text, attends, and stores its chunks. Its memory cannot do grouped queries, so the model
has as many key heads as query heads.
"""

import itertools
import json
import os
import subprocess
import sys
import types

import torch
from gguf_tokenizer import byte_pairs


def version(settings):
    command = ["git", "-C", settings["published"], "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def tokens(path):
    """The ids of chunks that `ml-shard view` printed."""
    with open(path, encoding="utf-8") as rows:
        return [token for row in rows for token in json.loads(row)["tokens"]]


def model(settings):
    if not os.path.isdir(os.path.join(settings["published"], "src")):
        raise FileNotFoundError("BENCH_PUBLISHED names no clone of it")
    sys.path.insert(0, settings["published"])
    # Its import of the other retriever's package is all that needs that one.
    sys.modules["FlagEmbedding"] = types.SimpleNamespace(BGEM3FlagModel=None)
    from src.configuration_llama import LlamaConfig
    from src.modeling_llama_position import LlamaForCausalLM
    from src.utils import ToolkitConfig
    from transformers import PreTrainedTokenizerFast

    torch.set_num_threads(settings["threads"])
    shape = LlamaConfig.from_pretrained(settings["random_model"])
    for name, value in {
        "mem_layer": settings["memory_layer"], "ret_attn_layers": settings["retrieval_layers"],
        "memory_size": 32768, "last_context_length": settings["tokens"], "ret_group_size": 8,
        "mem_group_size": 128, "use_gate": False, "use_cache": False, "position_type": "Zero",
    }.items():
        setattr(shape, name, value)
    retriever = ToolkitConfig(
        task="lrlm", embedder_name="st_embedder", embedder_path=settings["retriever"], ret_embeddings_dim=384)
    decoder = LlamaForCausalLM.from_pretrained(
        settings["random_model"], config=shape, toolkit_config=retriever, attn_implementation="eager",
        torch_dtype=torch.float32)
    tokenizer = byte_pairs(settings["model"])
    decoder.set_toolkit_tokenizer(PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    return decoder


def segments(settings):
    """The text's whole segments, over and over; the memory stays."""
    ids, count = tokens(settings["chunks"]), settings["tokens"]
    parts = [ids[first : first + count] for first in range(0, len(ids) - count + 1, count)]
    return itertools.cycle(torch.tensor([part]) for part in parts)


def loss(decoder, ids):
    return decoder(input_ids=ids, labels=ids, attention_mask=torch.ones_like(ids)).loss


def evaluation(settings):
    decoder, stream = model(settings).eval(), segments(settings)

    @torch.inference_mode()
    def run():
        return loss(decoder, next(stream)).item()

    # After two calls there is memory to read.
    run(), run()
    return run


def training(settings):
    decoder, stream = model(settings), segments(settings)
    from src.utils import convert_to_lora, set_freeze_by_idxs

    decoder = convert_to_lora(
        model=decoder, targets=["q_proj", "k_proj", "v_proj", "o_proj"], trainable_params=["norm"],
        r=settings["rank"])
    set_freeze_by_idxs(decoder, range(settings["memory_layer"] + 1), freeze=True)
    trained = [p for p in decoder.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=5e-5, weight_decay=1e-4)

    def run():
        loss(decoder, next(stream)).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    run(), run()
    return run
