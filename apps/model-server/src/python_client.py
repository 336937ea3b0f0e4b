"""What Triton's own Python client expects of a server: python_client.py HOST:PORT.

The server has one model: `plain` of tiny-model.ts, x FP32 [rows, n] -> doubled, rows.
"""

import queue
import sys
import unittest

import numpy
from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

client = InferenceServerClient(sys.argv.pop(1))


def tensor(array, name="x", datatype="FP32"):
    made = InferInput(name, array.shape, datatype)
    made.set_data_from_numpy(array)
    return made


class Health(unittest.TestCase):
    def test_server(self):
        self.assertTrue(client.is_server_live())
        self.assertTrue(client.is_server_ready())

    def test_model(self):
        self.assertTrue(client.is_model_ready("plain"))
        self.assertTrue(client.is_model_ready("plain", "1"))
        self.assertFalse(client.is_model_ready("plain", "2"))
        self.assertFalse(client.is_model_ready("nobody"))


class Metadata(unittest.TestCase):
    def test_server(self):
        metadata = client.get_server_metadata()
        self.assertTrue(metadata.name and metadata.version)
        self.assertIn("model_repository", metadata.extensions)

    def test_model(self):
        metadata = client.get_model_metadata("plain", as_json=True)
        self.assertEqual((metadata["name"], metadata["versions"]), ("plain", ["1"]))
        self.assertEqual(metadata["inputs"], [{"name": "x", "datatype": "FP32", "shape": ["-1", "-1"]}])
        self.assertEqual([output["name"] for output in metadata["outputs"]], ["doubled", "rows"])

    def test_index(self):
        index = client.get_model_repository_index()
        self.assertEqual([(model.name, model.version, model.state) for model in index.models], [("plain", "1", "READY")])


class Infer(unittest.TestCase):
    array = numpy.array([[1, 2, 3], [4, 5, 6]], dtype=numpy.float32)

    def test_all_outputs(self):
        result = client.infer("plain", [tensor(self.array)], request_id="7")
        numpy.testing.assert_array_equal(result.as_numpy("doubled"), self.array * 2)
        numpy.testing.assert_array_equal(result.as_numpy("rows"), numpy.full((2, 3), 2, dtype=numpy.float32))
        response = result.get_response()
        self.assertEqual((response.model_name, response.model_version, response.id), ("plain", "1", "7"))

    def test_one_output(self):
        result = client.infer("plain", [tensor(self.array)], outputs=[InferRequestedOutput("rows")], model_version="1")
        self.assertIsNone(result.as_numpy("doubled"))
        self.assertEqual(result.as_numpy("rows").shape, (2, 3))

    def test_many_at_once(self):
        answers = queue.Queue()
        for number in range(50):
            array = numpy.full((1, 1 + number % 3), number, dtype=numpy.float32)
            client.async_infer("plain", [tensor(array)], lambda result, error: answers.put((result, error)), request_id=str(number))
        for result, error in (answers.get(timeout=20) for _ in range(50)):
            self.assertIsNone(error)
            self.assertEqual(result.as_numpy("doubled")[0, 0], 2 * int(result.get_response().id))

    def test_load_and_unload(self):
        client.load_model("plain")
        self.assertEqual(client.infer("plain", [tensor(self.array)]).as_numpy("rows")[0, 0], 2)
        client.unload_model("plain")
        self.assertFalse(client.is_model_ready("plain"))
        with self.assertRaises(InferenceServerException):
            client.infer("plain", [tensor(self.array)])
        client.load_model("plain")
        self.assertTrue(client.is_model_ready("plain"))


class Errors(unittest.TestCase):
    array = numpy.ones((1, 2), dtype=numpy.float32)

    def assert_status(self, status, model, inputs, **options):
        with self.assertRaises(InferenceServerException) as raised:
            client.infer(model, inputs, **options)
        self.assertEqual(raised.exception.status(), f"StatusCode.{status}")
        self.assertTrue(raised.exception.message())

    def test_unknown_model_and_version(self):
        self.assert_status("NOT_FOUND", "nobody", [tensor(self.array)])
        self.assert_status("NOT_FOUND", "plain", [tensor(self.array)], model_version="2")

    def test_wrong_tensors(self):
        for inputs in (
            [],
            [tensor(self.array, name="y")],
            [tensor(self.array), tensor(self.array, name="y")],
            [tensor(self.array.astype(numpy.int64), datatype="INT64")],
            [tensor(self.array[0])],
            [tensor(numpy.ones((17, 2), dtype=numpy.float32))],
        ):
            self.assert_status("INVALID_ARGUMENT", "plain", inputs)

    def test_unknown_output(self):
        self.assert_status("INVALID_ARGUMENT", "plain", [tensor(self.array)], outputs=[InferRequestedOutput("tripled")])

    def test_load_unknown_model(self):
        with self.assertRaises(InferenceServerException):
            client.load_model("nobody")
        with self.assertRaises(InferenceServerException):
            client.get_model_metadata("nobody")


if __name__ == "__main__":
    unittest.main()
