"""Well-known clients of the inference protocols, unchanged, against a real server.

They need an environment of their own: `make test-clients`.
"""

import asyncio
import json
import re
import subprocess
import sys

import httpx
import numpy as np
import pytest
import requests
import tritonclient.http.aio
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from open_inference.openapi import NotFoundError
from open_inference.openapi.client import InferenceRequest, OpenInferenceClient
from open_inference.openapi.types import RequestInput, RequestOutput, TensorData
from tritonclient.http import InferenceServerClient, InferRequestedOutput
from tritonclient.http import InferInput as TritonInput
from tritonclient.utils import InferenceServerException

from app import bundle
from tests.serving import CHAMPION, ROOT, Server

GOLDEN = bundle.read(CHAMPION).golden
VERSION = bundle.read(CHAMPION).manifest.version
IMAGES = np.float32([case.image for case in GOLDEN.cases])
LABELS = [case.label for case in GOLDEN.cases]
EXPECTED = np.float32([case.probabilities for case in GOLDEN.cases])


@pytest.fixture(scope="module")
def server():
    running = Server(python=str(ROOT / ".venv" / "bin" / "python"))
    yield running
    assert running.stop() == 0


@pytest.fixture(scope="module")
def address(server):
    return f"127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def triton(address):
    with InferenceServerClient(address) as client:
        yield client


def triton_input(images, datatype="FP32", *, in_binary):
    given = TritonInput("image", images.shape, datatype)
    given.set_data_from_numpy(images, binary_data=in_binary)
    return given


def assert_golden(probabilities, prediction):
    assert np.abs(probabilities - EXPECTED).max() <= GOLDEN.tolerance
    assert list(prediction) == LABELS


def test_triton_asks_whether_the_server_and_model_are_ready(triton):
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert triton.is_model_ready("mnist")
    assert triton.is_model_ready("mnist", VERSION)
    assert not triton.is_model_ready("other")
    assert triton.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    metadata = triton.get_model_metadata("mnist", VERSION)
    assert [one["name"] for one in metadata["inputs"] + metadata["outputs"]] == ["image", "probabilities", "prediction"]


@pytest.mark.parametrize("compression", [None, "gzip", "deflate"])
@pytest.mark.parametrize("in_binary", [True, False], ids=["binary", "JSON"])
def test_triton_infers(triton, in_binary, compression):
    """By default it sends and wants binary; with compression it compresses all of that."""
    result = triton.infer(
        "mnist",
        [triton_input(IMAGES, in_binary=in_binary)],
        request_compression_algorithm=compression,
        response_compression_algorithm=compression,
    )
    assert_golden(result.as_numpy("probabilities"), result.as_numpy("prediction"))


@pytest.mark.parametrize(
    ("datatype", "dtype"),
    [("FP16", np.float16), ("FP64", np.float64), ("UINT8", np.uint8), ("INT32", np.int32), ("INT64", np.int64)],
)
def test_triton_infers_from_other_datatypes(triton, datatype, dtype):
    images = (IMAGES * 255).round() if "INT" in datatype else IMAGES
    result = triton.infer("mnist", [triton_input(images.astype(dtype).reshape(-1, 28, 28), datatype, in_binary=True)])
    assert list(result.as_numpy("prediction")) == LABELS


@pytest.mark.parametrize("in_binary", [True, False], ids=["binary", "JSON"])
def test_triton_gets_what_it_asks_for(triton, in_binary):
    wanted = [
        InferRequestedOutput("prediction", binary_data=in_binary),
        InferRequestedOutput("probabilities", binary_data=in_binary, class_count=3),
    ]
    given = [triton_input(IMAGES[:2], in_binary=in_binary)]
    more = {"request_id": "number 1", "priority": 1, "sequence_id": 3, "parameters": {"custom": "x"}}
    result = triton.infer("mnist", given, VERSION, wanted, **more)
    answer = result.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("number 1", "mnist", VERSION)
    classes = result.as_numpy("probabilities")
    assert classes.shape == (2, 3)
    texts = [one.decode() if isinstance(one, bytes) else one for one in classes[:, 0]]
    assert [int(text.split(":")[1]) for text in texts] == LABELS[:2]
    assert list(result.as_numpy("prediction")) == LABELS[:2]


def test_triton_raises_the_services_words(triton):
    with pytest.raises(InferenceServerException, match="divide by 255") as raised:
        triton.infer("mnist", [triton_input(IMAGES * 255, in_binary=True)])
    assert raised.value.status() == "400"
    with pytest.raises(InferenceServerException, match="There is 'mnist'") as raised:
        triton.infer("other", [triton_input(IMAGES, in_binary=True)])
    assert raised.value.status() == "404"


def test_triton_infers_asynchronously(address):
    async def ask():
        async with tritonclient.http.aio.InferenceServerClient(address) as client:
            assert await client.is_model_ready("mnist")
            given = [triton_input(IMAGES, in_binary=True)]
            return await asyncio.gather(*(client.infer("mnist", given) for _ in range(4)))

    for result in asyncio.run(ask()):
        assert_golden(result.as_numpy("probabilities"), result.as_numpy("prediction"))


@pytest.mark.parametrize("in_binary", [True, False], ids=["binary", "JSON"])
def test_kserve_infers_by_v2(address, in_binary):
    async def ask():
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        try:
            assert await client.is_server_live(f"http://{address}")
            assert await client.is_server_ready(f"http://{address}")
            assert await client.is_model_ready(f"http://{address}", "mnist")
            assert not await client.is_model_ready(f"http://{address}", "other")
            given = InferInput("image", list(IMAGES.shape), "FP32")
            given.set_data_from_numpy(IMAGES, binary_data=in_binary)
            more = {"parameters": {"binary_data_output": True}} if in_binary else {}
            request = InferRequest("mnist", [given], request_id="number 2", **more)
            return await client.infer(f"http://{address}", request, model_name="mnist")
        finally:
            await client.close()

    answer = asyncio.run(ask())
    assert (answer.id, answer.model_name) == ("number 2", "mnist")
    assert_golden(*(output.as_numpy() for output in answer.outputs))


def test_kserve_infers_by_v1(address):
    async def ask():
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        try:
            assert await client.is_model_ready(f"http://{address}", "mnist")
            return await client.infer(f"http://{address}", {"instances": IMAGES.tolist()}, model_name="mnist")
        finally:
            await client.close()

    probabilities = np.float32(asyncio.run(ask())["predictions"])
    assert_golden(probabilities, probabilities.argmax(axis=1))


@pytest.fixture
def generated(address):
    """The client that was generated from the protocol's description."""
    with httpx.Client() as connections:
        yield OpenInferenceClient(base_url=f"http://{address}", httpx_client=connections)


def test_generated_client_infers(generated):
    generated.check_server_liveness()
    generated.check_server_readiness()
    generated.check_model_readiness("mnist")
    generated.check_model_version_readiness("mnist", VERSION)
    assert generated.read_server_metadata().name == "mnist-api"
    assert generated.read_model_metadata("mnist").outputs[0].name == "probabilities"
    with pytest.raises(NotFoundError):
        generated.check_model_readiness("other")
    request = InferenceRequest(
        inputs=[
            RequestInput(name="image", shape=[10, 784], datatype="FP32", data=TensorData(__root__=IMAGES.tolist()))
        ],
        outputs=[RequestOutput(name="prediction")],
    )
    answer = generated.model_infer("mnist", request=request)
    assert answer.outputs[0].data.__root__ == LABELS


def test_requests_asks_as_tensorflow_servings_documents_do(address):
    status = requests.get(f"http://{address}/v1/models/mnist", timeout=10).json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    data = json.dumps({"instances": IMAGES.reshape(-1, 28, 28, 1).tolist()})
    answer = requests.post(f"http://{address}/v1/models/mnist:predict", data=data, timeout=10)
    assert_golden(np.float32(answer.json()["predictions"]), np.argmax(answer.json()["predictions"], axis=1))


PAGE = (ROOT / "docs" / "PROTOCOLS.md").read_text()
EXAMPLES = re.findall(r"^```(python|bash)\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.mark.parametrize(("language", "code"), EXAMPLES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXAMPLES)])
def test_example_of_the_documents_works(address, language, code):
    assert len(EXAMPLES) == 4
    command = [sys.executable, "-c"] if language == "python" else ["bash", "-euc"]
    code = code.replace("127.0.0.1:5000", address)
    ended = subprocess.run([*command, code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[0]\n" or ":0:0" in ended.stdout
