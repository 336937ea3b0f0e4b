"""Qdrant Edge behind standard input and output: one JSON line in, one JSON line out. See qdrant-edge.ts."""
import json
import os
import sys
import time

import numpy as np
from qdrant_edge import (Distance, EdgeConfig, EdgeShard, EdgeVectorParams, FieldCondition, Filter, MatchValue,
                         PayloadSchemaType, Point, Query, QueryRequest, UpdateOperation)

folder, dimension, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
vectors = np.fromfile(f"{folder}/vectors", dtype=np.float32).reshape(-1, dimension)
queries = np.fromfile(f"{folder}/queries", dtype=np.float32).reshape(-1, dimension)
fields = json.load(open(f"{folder}/fields"))
shard = None


def ingest():
    global shard
    points = [Point(i, vectors[i].tolist(), fields[i]) for i in range(len(vectors))]
    os.makedirs(f"{folder}/shard")
    start = time.perf_counter()
    shard = EdgeShard.create(f"{folder}/shard", EdgeConfig(vectors=EdgeVectorParams(size=dimension, distance=Distance.Dot)))
    for field in fields[0]:
        shard.update(UpdateOperation.create_field_index(field, PayloadSchemaType.Integer))
    for i in range(0, len(points), 1000):
        shard.update(UpdateOperation.upsert_points(points[i:i + 1000]))
    shard.optimize()
    seconds = time.perf_counter() - start
    shard.flush()
    size = sum(os.stat(os.path.join(path, file)).st_blocks * 512 for path, _, files in os.walk(f"{folder}/shard/segments") for file in files)
    info = shard.info()
    return {"seconds": seconds, "bytes": size, "indexed": getattr(info, "indexed_vectors_count", None), "segments": info.segments_count}


def run(first, count, field):
    """The requests are built before the clock starts."""
    matches = None if field is None else Filter(must=[FieldCondition(field, match=MatchValue(1))])
    requests = [QueryRequest(limit=limit, query=Query.Nearest(queries[i].tolist()), filter=matches) for i in range(first, first + count)]
    ms, hits = [], []
    for request in requests:
        start = time.perf_counter()
        points = shard.query(request)
        ms.append((time.perf_counter() - start) * 1000)
        hits.append([point.id for point in points])
    return {"ms": ms, "hits": hits}


for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps(ingest() if request["do"] == "ingest" else run(request["first"], request["count"], request["field"])), flush=True)
