"""Tiny random models of every supported family, and what transformers and PEFT compute with them.

    python3 Tests/interop/families.py FOLDER

Needs torch 2.5.1, transformers 4.46.1 and peft 0.12.0. It wrote Tests/Fixtures/families: for each model
`config.json` and `weights.safetensors` as `save_pretrained` leaves them, and `tensors.safetensors` with
token ids, the residual stream before every layer, logits and, for an adapter on the attention, the
gradients of the summed negative log-likelihood.
"""

import os
import shutil
import sys

import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from transformers import (
    GemmaConfig, GemmaForCausalLM, MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM,
    Qwen2Config, Qwen2ForCausalLM)

COMMON = {
    "vocab_size": 61, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
    "attn_implementation": "eager", "pad_token_id": None, "eos_token_id": 1, "bos_token_id": 0}
FACTORS = {
    "type": "longrope", "short_factor": [1.0, 1.1, 1.3, 1.7], "long_factor": [1.2, 1.9, 3.1, 4.0]}

# Name, model, configuration, lengths, targets of the adapter (none: no gradients).
MODELS = [
    ("mistral", MistralForCausalLM, MistralConfig(**COMMON, sliding_window=7, head_dim=12), [24],
     ["q_proj", "k_proj", "v_proj", "o_proj"]),
    ("qwen2", Qwen2ForCausalLM, Qwen2Config(**COMMON, rope_theta=1e6), [24], []),
    ("qwen2-window", Qwen2ForCausalLM, Qwen2Config(
        **COMMON, use_sliding_window=True, sliding_window=6, max_window_layers=1,
        tie_word_embeddings=True), [24], []),
    ("phi3", Phi3ForCausalLM, Phi3Config(
        **COMMON, original_max_position_embeddings=16, sliding_window=9, rope_scaling=FACTORS),
     [16, 24], ["qkv_proj", "o_proj"]),
    ("gemma", GemmaForCausalLM, GemmaConfig(
        **{**COMMON, "num_key_value_heads": 1}, head_dim=12, hidden_act="gelu",
        hidden_activation=None), [24], ["q_proj", "k_proj", "v_proj", "o_proj"]),
]


def randomise(model):
    for name, parameter in model.named_parameters():
        if "norm" in name:
            start = 0.0 if model.config.model_type == "gemma" else 1.0
            torch.nn.init.uniform_(parameter, start - 0.4, start + 0.4)
        elif name.endswith("bias"):
            torch.nn.init.uniform_(parameter, -0.5, 0.5)
        else:
            torch.nn.init.normal_(parameter, std=0.3 if "embed" in name else 0.2)


def window_upper_layers(model):
    """Eager attention in 4.46 windows all layers of Qwen2; max_window_layers says which are."""

    def see_all(module, args, kwargs):
        lowest = torch.finfo(torch.float32).min
        kwargs["attention_mask"] = torch.full_like(kwargs["attention_mask"], lowest).triu(1)
        return args, kwargs

    for layer in model.model.layers[: model.config.max_window_layers]:
        layer.register_forward_pre_hook(see_all, with_kwargs=True)


def observe(model, lengths, generator):
    tensors = {}
    for length in lengths:
        tag = f".{length}"
        ids = torch.randint(2, 61, (1, length), generator=generator)
        with torch.no_grad():
            output = model(ids, output_hidden_states=True, use_cache=False)
        tensors["input_ids" + tag] = ids[0].to(torch.int32)
        tensors["logits" + tag] = output.logits[0].clone()
        for layer, hidden in enumerate(output.hidden_states[:-1]):
            tensors[f"hidden.{layer}" + tag] = hidden[0].clone()
    return tensors


def gradients(model, targets, ids):
    model = get_peft_model(model, LoraConfig(
        r=2, lora_alpha=4, lora_dropout=0.0, target_modules=targets, task_type="CAUSAL_LM"))
    tensors = {}
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
        parameter.requires_grad_("lora_" in name or "norm" in name)
    logits = model(ids[None].long(), use_cache=False).logits[0]
    loss = torch.nn.functional.cross_entropy(logits[:-1], ids[1:].long(), reduction="sum")
    loss.backward()
    tensors["loss"] = loss.detach()[None]
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            short = name.removeprefix("base_model.model.").replace(".default", "")
            if "lora_" in name:
                tensors["adapter." + short] = parameter.detach().clone()
            tensors["gradient." + short] = parameter.grad.clone()
    return tensors


def main(folder):
    for index, (name, kind, config, lengths, targets) in enumerate(MODELS):
        torch.manual_seed(index)
        generator = torch.Generator().manual_seed(index)
        model = kind(config).eval()
        randomise(model)
        path = os.path.join(folder, name)
        model.save_pretrained(path)
        shutil.move(path + "/model.safetensors", path + "/weights.safetensors")
        os.remove(path + "/generation_config.json")
        if name == "qwen2-window":
            window_upper_layers(model)
        tensors = observe(model, lengths, generator)
        if targets:
            tensors |= gradients(model, targets, tensors[f"input_ids.{lengths[-1]}"])
        save_file({key: value.contiguous() for key, value in tensors.items()},
                  path + "/tensors.safetensors")


main(sys.argv[1])
