"""What Hugging Face's own LLaVA and Qwen2.5-VL make of random weights and inputs, for llava-graph.spec.ts and prompt.spec.ts:

    python3 -m venv DIR && DIR/bin/pip install torch==2.15.0 transformers==5.24.0 numpy==2.4.6
    DIR/bin/python examples/visual-tokens/oracle/llava.py > examples/visual-tokens/oracle/llava.json

A LLaVA of two layers with random weights reads a prompt with all visual tokens of a picture of 4 x 5, with some of them at
their own positions, and with the same renumbered; in one call and token by token. Of Qwen2.5-VL only the positions are taken.
"""
import base64
import json
import sys

import torch
from transformers import CLIPVisionConfig, DynamicCache, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, Qwen2_5_VLConfig, Qwen2_5_VLModel

torch.manual_seed(1)
TEXT = LlamaConfig(
    num_hidden_layers=2, hidden_size=16, num_attention_heads=2, num_key_value_heads=2, intermediate_size=24, vocab_size=40, rms_norm_eps=1e-5
)
VISION = CLIPVisionConfig(num_hidden_layers=1, hidden_size=12, intermediate_size=12, num_attention_heads=2, image_size=28, patch_size=14)
PICTURE = 39
ROWS, COLUMNS = 4, 5
KEPT = [0, 3, 4, 11, 17, 19]
PROMPT = [1, 7, 22, PICTURE, 5, 30, 11, 2]


def pack(tensor):
    return {"dims": list(tensor.shape), "data": base64.b64encode(tensor.detach().float().contiguous().numpy().tobytes()).decode()}


def weights(model):
    state = {name.removeprefix("model."): value for name, value in model.state_dict().items()}
    result = {"embedding": state["language_model.embed_tokens.weight"], "norm": state["language_model.norm.weight"], "head": state["lm_head.weight"].T}
    for own, theirs in (("projector_1", "linear_1"), ("projector_2", "linear_2")):
        result[own] = state[f"multi_modal_projector.{theirs}.weight"].T
        result[f"{own}_bias"] = state[f"multi_modal_projector.{theirs}.bias"]
    names = {"query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "output": "self_attn.o_proj", "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj"}
    for layer in range(TEXT.num_hidden_layers):
        their = f"language_model.layers.{layer}"
        result |= {f"layers.{layer}.{own}": state[f"{their}.{name}.weight"].T for own, name in names.items()}
        result[f"layers.{layer}.input_norm"] = state[f"{their}.input_layernorm.weight"]
        result[f"layers.{layer}.feed_forward_norm"] = state[f"{their}.post_attention_layernorm.weight"]
    return {name: pack(value) for name, value in result.items()}


@torch.no_grad()
def run(model, name, kept, sequential):
    place = PROMPT.index(PICTURE)
    ids = PROMPT[:place] + [PICTURE] * len(kept) + PROMPT[place + 1:]
    after = range(place + ROWS * COLUMNS, ROWS * COLUMNS + len(PROMPT) - 1)
    positions = list(range(len(ids))) if sequential else [*range(place), *(place + token for token in kept), *after]
    embedded = model.get_input_embeddings()(torch.tensor([ids]))
    embedded[0, place:place + len(kept)] = model.model.multi_modal_projector(tokens[kept][None])[0]
    answer, following, cache = [], embedded, DynamicCache()
    logits = []
    for step in range(4):
        at = positions if step == 0 else [positions[-1] + step]
        output = model.model.language_model(inputs_embeds=following, position_ids=torch.tensor([at]), cache=cache, use_cache=True)
        logits.append(model.lm_head(output.last_hidden_state[:, -1]))
        answer.append(int(logits[-1].argmax()))
        following = model.get_input_embeddings()(torch.tensor([answer[-1:]]))
    return {"name": name, "kept": kept, "positions": "sequential" if sequential else "original", "inputIds": ids, "positionIds": positions, "answer": answer, "logits": pack(torch.cat(logits))}


def qwen_positions(rows, columns, kept):
    """`get_rope_index` of the whole picture, and of its result what is kept."""
    config = Qwen2_5_VLConfig(
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2, "intermediate_size": 16, "vocab_size": 64, "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2]}},
        vision_config={"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 16},
        image_token_id=PICTURE, vision_start_token_id=22, vision_end_token_id=5, video_token_id=38,
    )
    place = PROMPT.index(PICTURE)
    ids = torch.tensor([PROMPT[:place] + [PICTURE] * (rows * columns) + PROMPT[place + 1:]])
    arguments = {"image_grid_thw": torch.tensor([[1, 2 * rows, 2 * columns]]), "attention_mask": torch.ones_like(ids)}
    if "mm_token_type_ids" in Qwen2_5_VLModel.get_rope_index.__code__.co_varnames:
        arguments["mm_token_type_ids"] = (ids == PICTURE).int()
    positions = Qwen2_5_VLModel(config).get_rope_index(ids, **arguments)[0][:, 0]
    stays = [*range(place), *(place + token for token in kept), *range(place + rows * columns, ids.shape[1])]
    return {"rows": rows, "columns": columns, "kept": kept, "positionIds": positions[:, stays].tolist()}


model = LlavaForConditionalGeneration(LlavaConfig(vision_config=VISION, text_config=TEXT, image_token_id=PICTURE)).eval()
for name, parameter in model.named_parameters():
    torch.nn.init.normal_(parameter, 1 if "norm" in name else 0, 0.4)
tokens = torch.randn(ROWS * COLUMNS, VISION.hidden_size)
every = list(range(ROWS * COLUMNS))
result = {
    "shape": {"layers": TEXT.num_hidden_layers, "width": TEXT.hidden_size, "heads": TEXT.num_attention_heads, "feedForwardWidth": TEXT.intermediate_size, "vocabulary": TEXT.vocab_size, "visualWidth": VISION.hidden_size, "pictureId": PICTURE},
    "prompt": PROMPT,
    "tokens": pack(tokens),
    "weights": weights(model),
    "runs": [run(model, "all tokens", every, False), run(model, "kept tokens where they were", KEPT, False), run(model, "kept tokens renumbered", KEPT, True), run(model, "one token", [8], False)],
    "qwen": [qwen_positions(4, 5, every), qwen_positions(4, 5, KEPT), qwen_positions(7, 3, [2, 9, 20])],
}
json.dump(result, sys.stdout, indent=1)
print()
