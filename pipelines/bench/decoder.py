"""decoder.py: SmolLM2-135M's shape in PyTorch, plain or with MemLong's memory, random weights.

The layout is the published one: retrieval layers put the memory's keys and values before the local ones
and attend to both in one softmax. It is kinder to PyTorch than the published code: the memory is given,
neither searched nor stored, and attention is fused unless `eager` asks for the published one, whose
weights are whole matrices. What remains is the least such a step can cost.
"""

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

HEADS, KEY_HEADS, SIZE = 9, 3, 64


class RetrievalAttention(nn.Module):
    def __init__(self, base, memory, eager):
        super().__init__()
        self.base, self.eager = base, eager
        shape = (1, KEY_HEADS, memory, SIZE)
        self.register_buffer("keys", torch.randn(shape))
        self.register_buffer("values", torch.randn(shape))

    def forward(self, hidden_states, position_embeddings=None, **_):
        count, memory = hidden_states.shape[1], self.keys.shape[2]

        def heads(x):
            return x.view(1, count, -1, SIZE).transpose(1, 2)

        base = self.base
        q, k, v = (heads(p(hidden_states)) for p in (base.q_proj, base.k_proj, base.v_proj))
        q, k = apply_rotary_pos_emb(q, k, *position_embeddings)
        group = HEADS // KEY_HEADS
        k = torch.cat([self.keys, k], 2).repeat_interleave(group, 1)
        v = torch.cat([self.values, v], 2).repeat_interleave(group, 1)
        seen = torch.ones(count, memory + count, dtype=torch.bool).tril(memory)
        if self.eager:
            hidden = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(q.dtype).min)
            weights = q @ k.transpose(2, 3) / SIZE**0.5 + hidden
            out = functional.softmax(weights, -1, dtype=torch.float32).to(q.dtype) @ v
        else:
            out = functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        return base.o_proj(out.transpose(1, 2).reshape(1, count, -1)), None, None


class LoRA(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base = base
        self.a = nn.Parameter(torch.randn(rank, base.in_features) * 0.01)
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, x):
        return self.base(x) + functional.linear(functional.linear(x, self.a), self.b)


def model(settings, memory):
    eager = settings.get("eager", False)
    torch.manual_seed(0)
    torch.set_num_threads(settings["threads"])
    shape = LlamaConfig(
        hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS, vocab_size=49152, max_position_embeddings=8192,
        tie_word_embeddings=True, attn_implementation="eager" if eager else "sdpa", use_cache=False)
    decoder = LlamaForCausalLM(shape)
    for index in settings["retrieval_layers"] if memory else []:
        layer = decoder.model.layers[index]
        layer.self_attn = RetrievalAttention(layer.self_attn, memory, eager)
    return decoder.requires_grad_(False)


def ids(settings):
    return torch.randint(0, 49152, (1, settings["tokens"]))


def evaluation(settings, memory=0):
    decoder, tokens = model(settings, memory).eval(), ids(settings)

    @torch.inference_mode()
    def run():
        return decoder(tokens, labels=tokens).loss.item()

    run()
    return run


def training(settings, memory=0):
    decoder, tokens = model(settings, memory), ids(settings)
    for layer in decoder.model.layers[settings["memory_layer"] + 1 :]:
        attention = getattr(layer.self_attn, "base", layer.self_attn)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(attention, name, LoRA(getattr(attention, name), settings["rank"]))
    trained = [p for p in decoder.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)

    def run():
        decoder(tokens, labels=tokens).loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()

    run()
    return run
