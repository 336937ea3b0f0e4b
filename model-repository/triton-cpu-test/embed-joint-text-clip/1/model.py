"""Stands in for Triton's ONNX Runtime backend, which the CPU package lacks: 1/model.onnx, run by PyPI's onnxruntime.

Serves any model whose graph has the names of config.pbtxt and a batch dimension first. Requests that Triton's dynamic
batcher joined run as one batch.
"""

import json
import os

import numpy
import onnxruntime
import triton_python_backend_utils as triton


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config.get("parameters", {}).items()}
        self.inputs = [tensor["name"] for tensor in config["input"]]
        self.outputs = [tensor["name"] for tensor in config["output"]]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", max(1, os.cpu_count() - 1)))
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def execute(self, requests):
        """All requests have the same shapes beyond their first dimension. Returns one response for each, in their order."""
        try:
            joined = self.session.run(self.outputs, {name: self.join(name, requests) for name in self.inputs})
        except Exception as error:
            return [triton.InferenceResponse(error=triton.TritonError(str(error))) for _ in requests]

        rows = [triton.get_input_tensor_by_name(request, self.inputs[0]).shape()[0] for request in requests]
        parts = [numpy.split(tensor, numpy.cumsum(rows)[:-1]) for tensor in joined]
        return [self.response(request, values) for request, values in zip(requests, zip(*parts))]

    def join(self, name, requests):
        return numpy.concatenate([triton.get_input_tensor_by_name(request, name).as_numpy() for request in requests])

    def response(self, request, values):
        """Only the outputs that the request asked for; Triton names them all when it asked for none."""
        wanted = request.requested_output_names()
        tensors = [triton.Tensor(name, value) for name, value in zip(self.outputs, values) if name in wanted]
        return triton.InferenceResponse(output_tensors=tensors)
