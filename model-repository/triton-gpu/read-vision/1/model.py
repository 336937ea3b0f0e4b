"""LLaVA's language model for visual tokens that a client brings: the logical model read-vision (model-repository/CONTRACT.md).

Unproven: nobody has run LLaVA's weights with this program. Needs torch and transformers in Triton's Python. Keys and values
stay here between the calls of an answer; what crosses the wire is a number that names them.
"""

import collections
import json
import os

import numpy
import torch
import triton_python_backend_utils as triton
from transformers import DynamicCache, LlavaForConditionalGeneration


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.most = int(config["parameters"]["caches"]["string_value"])
        is_gpu = args["model_instance_kind"] == "GPU"
        self.device = f"cuda:{args['model_instance_device_id']}" if is_gpu else "cpu"
        weights = os.path.join(args["model_repository"], args["model_version"])
        model = LlavaForConditionalGeneration.from_pretrained(weights, local_files_only=True, dtype=torch.float16 if is_gpu else torch.float32)
        del model.model.vision_tower  # encode-vision has run
        self.model = model.to(self.device).eval()
        self.picture = model.config.image_token_id
        self.caches = collections.OrderedDict()
        self.made = 0

    def execute(self, requests):
        return [self.response(request) for request in requests]

    def response(self, request):
        try:
            ids, tokens, positions, mask, name = (
                triton.get_input_tensor_by_name(request, tensor).as_numpy()
                for tensor in ("input_ids", "visual_tokens", "position_ids", "attention_mask", "cache")
            )
            name, logits = self.read(ids, tokens, positions, mask, name)
        except ValueError as error:
            return triton.InferenceResponse(error=triton.TritonError(str(error), triton.TritonError.INVALID_ARG))
        outputs = [triton.Tensor("logits", logits), triton.Tensor("next_cache", numpy.array([[name]], dtype=numpy.int64))]
        return triton.InferenceResponse(output_tensors=[output for output in outputs if output.name() in request.requested_output_names()])

    @torch.no_grad()
    def read(self, ids, tokens, positions, mask, name):
        """Reads [1, s] tokens after those of the named cache. Returns the new name and float32 [1, vocabulary]."""
        ids, tokens, positions, mask = (torch.from_numpy(values.copy()).to(self.device) for values in (ids, tokens, positions, mask))
        embedded = self.model.get_input_embeddings()(ids)
        is_picture = ids == self.picture
        if is_picture.sum() != tokens.shape[1]:
            raise ValueError(f"input_ids has {is_picture.sum()} places for {tokens.shape[1]} visual tokens")
        if tokens.shape[1] > 0:
            embedded[is_picture] = self.model.model.multi_modal_projector(tokens.to(embedded.dtype))[0]

        cache = DynamicCache()
        if name.size > 0:
            cache = self.caches.pop(int(name[0, 0]), None)
            if cache is None:
                raise ValueError("cache is no longer kept, or was used already: begin again with the prompt")
        if mask.shape[1] != cache.get_seq_length() + ids.shape[1]:
            raise ValueError(f"attention_mask has {mask.shape[1]} places for {cache.get_seq_length() + ids.shape[1]} tokens")
        output = self.model.model.language_model(inputs_embeds=embedded, position_ids=positions, attention_mask=mask, cache=cache, use_cache=True)
        logits = self.model.lm_head(output.last_hidden_state[:, -1])

        self.made += 1
        self.caches[self.made] = cache  # which the call has extended
        while len(self.caches) > self.most:
            self.caches.popitem(last=False)
        return self.made, logits.float().cpu().numpy()
