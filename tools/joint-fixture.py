"""What SigLIP's, CLIP's and DINOv2's own preprocessing makes of seeded pictures and texts, for libs/models/src/joint-reference.spec.ts:

    python3 -m venv DIR && DIR/bin/pip install transformers==5.24.0 pillow==13.0.0 tokenizers==0.23.3 numpy
    DIR/bin/python tools/joint-fixture.py > libs/models/src/fixture/joint.json

Image processors with the published settings, and tokenizers of the same make (Unigram, byte-level BPE) with a tiny
vocabulary. `vectors` is what a tiny seeded SigLIP makes of them, written here in numpy after arXiv:2303.15343 and, in ONNX,
in apps/touchstone/src/models/tiny-siglip.ts: one layer, one head, 8 numbers wide, no biases, and a projection to 768.
"""
import json

import numpy as np
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPImageProcessor, SiglipImageProcessor

BICUBIC = 3
LETTERS = "abcdefghijklmnopqrstuvwxyz"
TEXTS = ["A photo of a cat", "Red train, station!", "", "cats", "a photo of " * 60]


def picture(width, height):
    """The same integers as `picture` in the spec: waves, slopes and a chessboard."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    red = (128 + 100 * np.sin(x / 17) * np.cos(y / 23)).round()
    green = (x * 7 + y * 3) // 4 % 256
    blue = np.where((x // 16 + y // 16) % 2 == 0, 230, 25)
    return np.stack([red, green, blue], -1).astype(np.uint8)


def clip_like(shorter_side, mean, deviation):
    return CLIPImageProcessor(
        size={"shortest_edge": shorter_side}, crop_size={"height": 224, "width": 224}, resample=BICUBIC, image_mean=mean, image_std=deviation
    )


PROCESSORS = {
    "siglip": SiglipImageProcessor(size={"height": 224, "width": 224}, resample=BICUBIC, image_mean=[0.5] * 3, image_std=[0.5] * 3),
    "clip": clip_like(224, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
    "dinov2": clip_like(256, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
}


def pixel_values(processor, width, height):
    """Means of the channels, and of each the pixels (16 + 32 i, 16 + 32 j)."""
    values = np.asarray(processor(Image.fromarray(picture(width, height)), return_tensors="np")["pixel_values"])[0]
    assert values.shape == (3, 224, 224) and values.dtype == np.float32
    grid = values[:, 16::32, 16::32].reshape(3, -1)
    return {"mean": [round(float(mean), 5) for mean in values.reshape(3, -1).mean(1)], "grid": [[round(float(v), 4) for v in row] for row in grid]}


WIDTH = 8


def weight(seed, *dims):
    """Numbers from -1 to 1 by a linear congruential generator."""
    state, values = seed, []
    for _ in range(int(np.prod(dims))):
        state = (state * 1_664_525 + 1_013_904_223) % 2**32
        values.append(state / 2**31 - 1)
    return np.array(values).reshape(dims)


def norm(x):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)


def attention(queries, x, seed):
    scores = queries @ weight(seed, WIDTH, WIDTH) @ np.swapaxes(x @ weight(seed + 1, WIDTH, WIDTH), -1, -2) / np.sqrt(WIDTH)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    return shares / shares.sum(-1, keepdims=True) @ (x @ weight(seed + 2, WIDTH, WIDTH)) @ weight(seed + 3, WIDTH, WIDTH)


def mlp(x, seed):
    x = x @ weight(seed, WIDTH, 2 * WIDTH)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))) @ weight(seed + 1, 2 * WIDTH, WIDTH)


def layer(x, seed):
    x = x + attention(norm(x), norm(x), seed)
    return norm(x + mlp(norm(x), seed + 4))


def unit_rows(x):
    return [[round(float(value), 5) for value in row[::16]] for row in x / np.linalg.norm(x, axis=-1, keepdims=True)]


def text_vectors(ids):
    """Every 16th number. SigLIP takes the last of the 64 tokens, padding or not."""
    x = layer(weight(100, 40, WIDTH)[np.array(ids)] + weight(101, 64, WIDTH), 110)
    return unit_rows(x[:, -1] @ weight(120, WIDTH, 768))


def image_vectors(pixels):
    """Every 16th number. SigLIP lets a probe attend to the patches."""
    patches = pixels.reshape(-1, 3, 14, 16, 14, 16).transpose(0, 2, 4, 1, 3, 5).reshape(-1, 196, 768)
    x = layer(patches @ (weight(200, WIDTH, 768).T / 16) + weight(201, 196, WIDTH), 210)
    x = attention(weight(220, 1, 1, WIDTH), x, 221)
    return unit_rows((x + mlp(norm(x), 225))[:, 0] @ weight(230, WIDTH, 768))


def siglip_tokenizer():
    """T5's kind: lower case without punctuation, Unigram, the end token last."""
    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -10.0), ("▁", -3.0), ("▁a", -2.0), ("▁photo", -2.5), ("▁of", -2.2), ("▁cat", -3.0)]
    words += [("s", -2.7), ("▁red", -3.3), ("▁train", -3.6), ("▁station", -4.0), ("tation", -6.0)]
    letters = [(letter, -5.0 - place * 0.01) for place, letter in enumerate(LETTERS) if letter != "s"]
    tokenizer = Tokenizer(models.Unigram(words + letters, unk_id=2, byte_fallback=False))
    punctuation = Regex(r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]""")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Lowercase(), normalizers.Replace(punctuation, ""), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tokenizer


def clip_tokenizer():
    """CLIP's kind: lower case, byte-level BPE with an end of word, start and end token."""
    start, end = "<|startoftext|>", "<|endoftext|>"
    merges = ["c a", "ca t</w>", "p h", "ph o", "pho t", "phot o</w>", "o f</w>", "t r", "tr a", "tra i", "trai n</w>", "r e", "re d</w>"]
    symbols = ["!", ",", *LETTERS]
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *(merge.replace(" ", "") for merge in merges), start, end]
    ids = {token: place for place, token in enumerate(tokens)}
    pairs = [tuple(merge.split(" ")) for merge in merges]
    tokenizer = Tokenizer(models.BPE(ids, pairs, unk_token=end, continuing_subword_prefix="", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    words = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(words, behavior="removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.add_special_tokens([start, end])
    tokenizer.post_processor = processors.RobertaProcessing((end, ids[end]), (start, ids[start]), False, False)
    return tokenizer, ids[end]


def tokens(tokenizer, padding_id, length):
    """Ids of TEXTS, cut and padded to one length; the file itself asks for neither."""
    description = json.loads(tokenizer.to_str())
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(length=length, pad_id=padding_id)
    rows = [encoding.ids for encoding in tokenizer.encode_batch(TEXTS)]
    assert all(len(row) == length for row in rows)
    return {"tokenizer": description, "paddingId": padding_id, "maximumTokens": length, "inputIds": rows}


SIZES = [(600, 400), (350, 800), (640, 480), (173, 401)]
clip, clip_end = clip_tokenizer()
siglip = tokens(siglip_tokenizer(), 1, 64)
prepared = np.concatenate([np.asarray(PROCESSORS["siglip"](Image.fromarray(picture(*size)), return_tensors="np")["pixel_values"]) for size in SIZES])
print(
    json.dumps(
        {
            "pictures": [
                {"width": width, "height": height, "pixelValues": {name: pixel_values(processor, width, height) for name, processor in PROCESSORS.items()}}
                for width, height in SIZES
            ],
            "texts": TEXTS,
            "tokens": {"siglip": siglip, "clip": tokens(clip, clip_end, 77)},
            "vectors": {"texts": text_vectors(siglip["inputIds"]), "pictures": image_vectors(prepared)},
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
)
