"""An independent EvoCut in numpy, written from the paper's equations with arrays where evocut.ts has loops.

    python3 services/compression/oracle/evocut.py services/compression/oracle/fixtures.json

writes hidden states that look like an encoder's (a drift that all tokens share, groups, own ways) with the scores and the
kept tokens; evocut.oracle.spec.ts compares. Needs numpy only.
"""
import base64
import json
import sys

import numpy as np


def scores(layers, groups=8, iterations=2, momentum=0.95):
    tokens = layers[0].shape[0]
    start = np.floor(np.linspace(0, tokens - 1, groups)).astype(int)
    result = np.zeros(tokens)
    for before, after in zip(layers[:-1].astype(np.float64), layers[1:].astype(np.float64)):
        step = after - before
        norm = np.linalg.norm(step, axis=1, keepdims=True)
        direction = step / np.maximum(norm, 1e-12)
        center = direction[start].copy()
        for _ in range(iterations):
            member = np.eye(groups)[np.argmax(direction @ center.T, axis=1)]
            total = member.T @ direction
            size = np.linalg.norm(total, axis=1, keepdims=True)
            center = np.where(size >= 1e-12, total / np.maximum(size, 1e-12), center)
        deviation = 1 - np.max(direction @ center.T, axis=1)
        deviation[norm[:, 0] < 1e-12] = 0
        result = momentum * result + (1 - momentum) * deviation
    return result


def kept(result, count):
    return sorted(np.argsort(-result, kind="stable")[:count].tolist())


def hidden_states(seed, tokens, width, transitions, still=()):
    random = np.random.default_rng(seed)
    layers = [random.normal(size=(tokens, width))]
    for _ in range(transitions):
        drift = random.normal(size=width)
        ways = random.normal(size=(5, width))
        own = random.normal(size=(tokens, width)) * random.uniform(0.1, 1.5, size=(tokens, 1))
        step = drift + ways[random.integers(0, 5, size=tokens)] + own
        step[list(still)] = 0
        layers.append(layers[-1] + step * random.uniform(0.5, 3))
    return np.stack(layers).astype(np.float32)


def fixture(name, parameters, keep, **shape):
    layers = hidden_states(**shape)
    result = scores(layers, **parameters)
    return {
        "name": name,
        "parameters": {"groups": 8, "iterations": 2, "momentum": 0.95, **parameters},
        "layers": layers.shape[0],
        "tokens": layers.shape[1],
        "width": layers.shape[2],
        "states": base64.b64encode(layers.tobytes()).decode(),
        "scores": result.tolist(),
        "kept": {str(count): kept(result, count) for count in keep},
    }


fixtures = [
    fixture("the paper's parameters", {}, (4, 7, 21), seed=1, tokens=64, width=24, transitions=5),
    fixture("four groups, five rounds, less momentum", {"groups": 4, "iterations": 5, "momentum": 0.8}, (1, 10), seed=2, tokens=36, width=16, transitions=4),
    fixture("one group, tokens that stand still", {"groups": 1}, (5,), seed=3, tokens=30, width=16, transitions=3, still=(4, 9)),
    fixture("no round", {"iterations": 0}, (9,), seed=4, tokens=40, width=12, transitions=3),
]
with open(sys.argv[1], "w") as file:
    json.dump(fixtures, file, indent=1)
    file.write("\n")
