"""Hashes of seeded pictures by Meta's own PDQ (PyPI pdqhash), for libs/models/src/perceptual-hash.spec.ts:

    python3 -m venv DIR && DIR/bin/pip install pdqhash==0.2.8 numpy
    DIR/bin/python tools/pdq-fixture.py > libs/models/src/fixture/pdq.json
"""
import hashlib
import json

import numpy as np
import pdqhash

SIZES = [(512, 384), (512, 512), (300, 512), (128, 128), (200, 150), (129, 65), (64, 64), (63, 40), (256, 1), (400, 400)]


def picture(seed, width, height):
    """The same integers as `picture` in the spec: a slope and twelve rectangles over it."""
    state = seed

    def draw(below):
        nonlocal state
        state = (state * 1664525 + 1013904223) % 2**32
        return state * below // 2**32

    slopes = [draw(256) for _ in range(6)]
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    pixels = np.stack([(slopes[2 * c] * x // width + slopes[2 * c + 1] * y // height) % 256 for c in range(3)], axis=2)
    for _ in range(12):
        left, top = draw(width), draw(height)
        right, bottom = left + 1 + draw(width), top + 1 + draw(height)
        colour = np.array([draw(256) for _ in range(3)])
        pixels[top:bottom, left:right] = (pixels[top:bottom, left:right] + 3 * colour) // 4
    return pixels.astype(np.uint8)


rows = []
for seed, (width, height) in enumerate(SIZES, start=1):
    pixels = picture(seed, width, height)
    bits, quality = pdqhash.compute(np.ascontiguousarray(pixels))
    value = "".join(str(bit) for bit in bits)
    rows.append({"seed": seed, "width": width, "height": height, "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
                 "hash": f"{int(value, 2):064x}", "quality": int(quality)})
print(json.dumps(rows, indent=1))
