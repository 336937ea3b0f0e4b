"""What Qwen3-VL's own preprocessing and architecture make of seeded notes, for libs/models/src/qwen3-vl-reference.spec.ts and
apps/touchstone/src/models/qwen3-vl.spec.ts:

    python3 -m venv DIR && DIR/bin/pip install torch==2.8.0 torchvision==0.23.0 transformers==5.24.0 tokenizers==0.23.3 \\
        pillow==13.0.0 numpy qwen-vl-utils==0.0.14
    DIR/bin/python tools/qwen3-vl-fixture.py > libs/models/src/fixture/qwen3-vl.json

Pictures go through qwen-vl-utils (as github.com/QwenLM/Qwen3-VL-Embedding calls it) and Hugging Face's image processor, texts
through the published chat template and a tokenizer of the same make with a tiny vocabulary, all of it through Hugging Face's
Qwen3VLModel with tiny seeded weights, run by the program of model-repository/laptop/embed-joint-qwen3-vl.
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from qwen_vl_utils import process_vision_info
from qwen_vl_utils.vision_process import smart_resize
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, Qwen3VLConfig, Qwen3VLModel
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.qwen3_vl.processing_qwen3_vl import Qwen3VLProcessor

sys.modules["triton_python_backend_utils"] = types.ModuleType("triton_python_backend_utils")
program = Path(__file__).parent.parent / "model-repository/laptop/embed-joint-qwen3-vl/1/model.py"
spec = importlib.util.spec_from_file_location("model", program)
triton_model = importlib.util.module_from_spec(spec)
spec.loader.exec_module(triton_model)

FACTOR = 32
MIN_PIXELS, MAX_PIXELS = 4 * FACTOR**2, 1800 * FACTOR**2  # of Qwen3VLEmbedder
INSTRUCTION = "Represent the user's input."

# The published template of Qwen3-VL, cut to what Qwen3VLEmbedder gives it: a system message and a user message.
TEMPLATE = """{%- for message in messages %}{{- '<|im_start|>' + message.role + '\\n' }}{%- for content in message.content %}
{%- if content.type == 'image' %}{{- '<|vision_start|><|image_pad|><|vision_end|>' }}{%- else %}{{- content.text }}{%- endif %}
{%- endfor %}{{- '<|im_end|>\\n' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""


def picture(width, height):
    """The same integers as `picture` in the spec: waves, slopes and a chessboard."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (128 + 100 * np.sin(x / 17) * np.cos(y / 23)).round()
    green = (x * 7 + y * 3) // 4 % 256
    blue = np.where((x // 16 + y // 16) % 2 == 0, 230, 25)
    return np.stack([red, green, blue], -1).astype(np.uint8)


# Sizes of pictures, of which the first two keep theirs: what follows does not depend on how they are resized.
NOTES = [
    {"text": "A cat", "pictures": []},
    {"text": "", "pictures": [(96, 64)]},
    {"text": "The cat sat on the mat.\n\n  It's 12 o'clock!", "pictures": [(96, 64), (64, 160)]},
    {"text": "\nThe cat", "pictures": []},
    {"text": "ein Hut, 日本語 🚂", "pictures": [(64, 64)]},
    {"text": "the cat", "pictures": [(300, 200)]},
]
SIZES = [(300, 200), (640, 480), (10, 1000), (1, 1), (4000, 3000), (47, 49), (48, 80), (19_000, 100), (33, 6_500), (1200, 1800)]


def tokenizer():
    """Qwen's kind: NFC, its pattern, byte-level BPE; the end-of-text token is no part of a prompt."""
    merges = ["t h", "th e", "Ġ th", "Ġth e", "c a", "ca t", "Ġ ca", "Ġca t", "a n", "T h", "Th e", "u s", "e r", "us er", "p u"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(merge.replace(" ", "") for merge in merges)]
    ids = {token: place for place, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(ids, [tuple(merge.split(" ")) for merge in merges]))
    made.normalizer = normalizers.NFC()
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.decoder = decoders.ByteLevel()
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"]
    made.add_special_tokens(special)
    return made


def seeded(name, count):
    """Numbers from -1 to 1 by a linear congruential generator; its seed is the FNV-1a hash of the weight's name."""
    state = 0x811C9DC5
    for byte in name.encode():
        state = (state ^ byte) * 0x01000193 % 2**32
    values = np.empty(count)
    for at in range(count):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        values[at] = state / 2**31 - 1
    return values


def tiny_model(made):
    """Two layers of each kind, features of the first of the vision's layers handed to the text's first."""
    config = Qwen3VLConfig(
        image_token_id=made.token_to_id("<|image_pad|>"),
        video_token_id=made.token_to_id("<|video_pad|>"),
        vision_start_token_id=made.token_to_id("<|vision_start|>"),
        vision_end_token_id=made.token_to_id("<|vision_end|>"),
        text_config={
            "vocab_size": made.get_vocab_size(), "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "head_dim": 8, "rope_parameters": {"rope_type": "default", "rope_theta": 5_000_000, "mrope_section": [2, 1, 1], "mrope_interleaved": True},
        },
        vision_config={
            "depth": 2, "hidden_size": 16, "intermediate_size": 24, "num_heads": 2, "out_hidden_size": 32, "num_position_embeddings": 16,
            "deepstack_visual_indexes": [0], "patch_size": 16,
        },
    )
    model = Qwen3VLModel(config).eval()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = seeded(name, weight.numel())
            is_norm = "norm" in name and name.endswith("weight")
            scale = 0.1 if is_norm or name.endswith("bias") else 1 / np.sqrt(weight[0].numel())
            weight.copy_(torch.from_numpy(values * scale + is_norm).reshape(weight.shape))
    return model


def reference(note, processor, model):
    images = [Image.fromarray(picture(*size)) for size in note["pictures"]]
    content = [{"type": "image", "image": image, "min_pixels": MIN_PIXELS, "max_pixels": MAX_PIXELS} for image in images]
    content += [{"type": "text", "text": note["text"]}] if note["text"] else []
    conversation = [{"role": "system", "content": [{"type": "text", "text": INSTRUCTION}]}, {"role": "user", "content": content}]
    prompt = processor.apply_chat_template([conversation], add_generation_prompt=True, tokenize=False)
    resized, _ = process_vision_info([conversation], image_patch_size=16)
    inputs = processor(text=prompt, images=resized, do_resize=False, return_tensors="pt")
    grids = inputs.get("image_grid_thw", torch.zeros((0, 3), dtype=torch.int64))
    patches = inputs.get("pixel_values", torch.zeros((0, 1536)))
    positions, _ = model.get_rope_index(inputs["input_ids"], inputs["mm_token_type_ids"], image_grid_thw=grids if len(grids) else None)
    vector = triton_model.embed(model, inputs["input_ids"][0].numpy(), positions[:, 0].numpy(), patches.numpy(), grids.numpy())
    # Positions that are given and positions that the model finds are the same.
    own = model(**{name: value for name, value in inputs.items()}, use_cache=False).last_hidden_state[:, -1].detach().numpy()
    assert np.abs(own - vector).max() < 1e-5
    vector = vector[0] / np.linalg.norm(vector[0])
    return {
        **note,
        "inputIds": inputs["input_ids"][0].tolist(),
        "positionIds": positions[:, 0].tolist(),
        "grids": grids.tolist(),
        # Every 7th patch, of it every 61st number, and the mean of all.
        "patches": [[round(float(value), 4) for value in row[::61]] for row in patches[::7]],
        "mean": round(float(patches.mean()), 5) if len(patches) else None,
        "vector": [round(float(value), 6) for value in vector],
    }


made = tokenizer()
wrapped = PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<|endoftext|>", eos_token="<|im_end|>", padding_side="right")
image_processor = Qwen2VLImageProcessorPil(patch_size=16, temporal_patch_size=2, merge_size=2, image_mean=[0.5] * 3, image_std=[0.5] * 3)


class Processor(Qwen3VLProcessor):
    """Without the part for videos."""

    @classmethod
    def get_attributes(cls):
        return ["image_processor", "tokenizer"]


processor = Processor(image_processor=image_processor, tokenizer=wrapped, chat_template=TEMPLATE)
model = tiny_model(made)
sizes = []
for width, height in SIZES:
    to_height, to_width = smart_resize(height, width, FACTOR, MIN_PIXELS, MAX_PIXELS)
    sizes.append({"width": width, "height": height, "to": [to_width, to_height]})
print(
    json.dumps(
        {"tokenizer": json.loads(made.to_str()), "instruction": INSTRUCTION, "sizes": sizes, "notes": [reference(note, processor, model) for note in NOTES]},
        ensure_ascii=False,
        separators=(",", ":"),
    )
)
