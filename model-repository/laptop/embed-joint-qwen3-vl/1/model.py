"""Qwen3-VL-Embedding: one vector of a text, pictures, or a note of both (model-repository/CONTRACT.md, embed-joint-qwen3-vl).

Unproven: nobody has run Qwen's weights with this program; tools/qwen3-vl-fixture.py runs `embed` on tiny seeded ones. Needs torch
and transformers in Triton's Python. Tokens, positions and patches are made in libs/models.
"""

import os

import torch
import triton_python_backend_utils as triton
from transformers import Qwen3VLModel


@torch.no_grad()
def embed(model, input_ids, position_ids, pixel_values, image_grid_thw):
    """The last token's hidden state, float32 [1, d]. Takes arrays: [tokens], [3, tokens], [patches, 1536], [pictures, 3]."""
    ids, positions, patches, grids = (torch.from_numpy(values.copy()).to(model.device) for values in (input_ids, position_ids, pixel_values, image_grid_thw))
    pictures = {"pixel_values": patches.to(model.dtype), "image_grid_thw": grids} if grids.shape[0] > 0 else {}
    output = model(input_ids=ids[None], position_ids=positions[:, None], use_cache=False, **pictures)
    return output.last_hidden_state[:, -1].float().cpu().numpy()


class TritonPythonModel:
    def initialize(self, args):
        is_gpu = args["model_instance_kind"] == "GPU"
        device = f"cuda:{args['model_instance_device_id']}" if is_gpu else "cpu"
        weights = os.path.join(args["model_repository"], args["model_version"])
        model = Qwen3VLModel.from_pretrained(weights, local_files_only=True, dtype=torch.bfloat16 if is_gpu else torch.float32)
        self.model = model.to(device).eval()

    def execute(self, requests):
        return [self.response(request) for request in requests]

    def response(self, request):
        tensors = ("input_ids", "position_ids", "pixel_values", "image_grid_thw")
        try:
            vector = embed(self.model, *(triton.get_input_tensor_by_name(request, name).as_numpy() for name in tensors))
        except ValueError as error:
            return triton.InferenceResponse(error=triton.TritonError(str(error), triton.TritonError.INVALID_ARG))
        return triton.InferenceResponse(output_tensors=[triton.Tensor("vector", vector)])
