"""What the routes of the inference protocols take and answer, for the description: see app.doors."""

from typing import Annotated, Any

import msgspec

from app import inference_request, served_model, tensor
from app.answers import BINARY, Live
from app.bundle import Bundle
from app.config import Settings
from app.doors import BODY, IMAGES, Content, Door, Parameter, one_of, several, stands_for, with_types
from app.image import PIXELS, SIDE
from app.inference_metadata import ModelMetadata, ModelReady, ServerMetadata, ServerReady
from app.inference_response import InferenceResponse
from app.payload import Flat, InvalidJson, InvalidRequest, Pixel, Rows
from app.protocol_v1 import Models, ModelStatus, PredictionRequest, PredictionResponse

_RAISES = (*BODY, *IMAGES, InvalidJson, InvalidRequest, served_model.UnknownModel)
_MODEL = "/v2/models/<model>"
_VERSION = f"{_MODEL}/versions/<version>"


def doors(settings: Settings, bundle: Bundle) -> dict[str, Door]:
    """The protocols' routes, by method and rule."""
    model = Parameter("model", "path", one_of([settings.model_name]), "The model's name.")
    version = Parameter("version", "path", one_of([bundle.manifest.version]), "Its version, of which there is one.")
    infer = _infer(settings.max_batch, model)
    return {
        "GET /v2": _says("v2", ServerMetadata),
        "GET /v2/health/live": _says("v2", Live),
        "GET /v2/health/ready": _says("v2", ServerReady, (200, 503)),
        f"GET {_MODEL}": _says("v2", ModelMetadata, (200,), model),
        f"GET {_MODEL}/ready": _says("v2", ModelReady, (200, 503), model),
        f"POST {_MODEL}/infer": infer,
        f"GET {_VERSION}": _says("v2", ModelMetadata, (200,), model, version),
        f"GET {_VERSION}/ready": _says("v2", ModelReady, (200, 503), model, version),
        f"POST {_VERSION}/infer": infer._replace(parameters=(*infer.parameters, version)),
        "GET /v1/models": _says("v1", Models),
        "GET /v1/models/<model>": _says("v1", ModelStatus, (200, 503), model),
        "POST /v1/models/<model>:predict": Door(
            "v1",
            {200: (Content(PredictionResponse),)},
            takes=(Content(_instances(settings.max_batch), ("instances",)),),
            parameters=(model,),
            raises=_RAISES,
            protocols=True,
        ),
    }


def examples(bundle: Bundle) -> dict[str, Any]:
    """The values that the doors name: a golden case in a few hundred bytes, which a document has room for."""
    image = bundle.golden.cases[0].image
    levels = [round(pixel * 255) for pixel in image]
    rounded = [round(pixel, 1) or 0 for pixel in image]
    taken = {"name": inference_request.INPUT["name"], "shape": [1, PIXELS], "datatype": "UINT8", "data": levels}
    wanted = {"name": inference_request.PROBABILITIES["name"], "parameters": {"classification": 3}}
    return {"tensor": {"inputs": [taken], "outputs": [wanted]}, "instances": {"instances": [rounded]}}


def _says(tag: str, shape: Any, statuses: tuple[int, ...] = (200,), *parameters: Parameter) -> Door:
    raises = (served_model.UnknownModel,) if parameters else ()
    return Door(tag, {one: (Content(shape),) for one in statuses}, (), parameters, raises, protocols=True)


def _infer(max_batch: int, model: Parameter) -> Door:
    length = Parameter(
        inference_request.LENGTH_HEADER,
        "header",
        str,
        "How many bytes of the body are JSON; what follows is binary. An answer that holds binary data has it too.",
    )
    return Door(
        "v2",
        {200: (Content(InferenceResponse), Content(None, content_type=BINARY))},
        takes=(Content(_inference_request(max_batch), ("tensor",)), Content(None, content_type=BINARY)),
        parameters=(model, length),
        raises=_RAISES,
        protocols=True,
    )


def _inference_request(max_batch: int) -> Any:
    """The request in JSON. How many numbers there are follows from the shape, which no schema can say."""
    data = msgspec.Meta(description=f"In one list, or nested as the shape: {tensor.DATATYPES}.")
    taken = with_types(
        inference_request.Input,
        name=one_of([str(inference_request.INPUT["name"])]),
        shape=stands_for("Shape", {"description": tensor.SHAPES, "anyOf": _shapes(max_batch)}),
        datatype=one_of(tensor.DTYPES),
        data=Annotated[list[Any], data],
    )
    wanted: Any = with_types(inference_request.RequestedOutput, name=one_of(inference_request.OUTPUTS))
    return with_types(inference_request.InferenceRequest, inputs=several(taken, 1), outputs=list[wanted] | None)


def _shapes(max_batch: int) -> list[dict[str, Any]]:
    batches = [[{"type": "integer", "minimum": 1, "maximum": max_batch}, *_sizes(one)] for one in tensor.IMAGE_SHAPES]
    return [
        {"type": "array", "prefixItems": sizes, "minItems": len(sizes), "maxItems": len(sizes)}
        for sizes in (*batches, *map(_sizes, tensor.IMAGE_SHAPES[:2]))
    ]


def _sizes(shape: list[int]) -> list[dict[str, Any]]:
    return [{"const": size} for size in shape]


def _instances(max_batch: int) -> Any:
    """A list of images of one shape."""
    lists = [msgspec.json.schema(several(one, max_batch)) for one in (Flat, Rows, _RowsOfPixels)]
    return with_types(PredictionRequest, instances=stands_for("Instances", {"anyOf": lists}))


_OnePixel = Annotated[list[Pixel], msgspec.Meta(min_length=1, max_length=1)]
_RowOfPixels = Annotated[list[_OnePixel], msgspec.Meta(min_length=SIDE, max_length=SIDE)]
_RowsOfPixels = Annotated[list[_RowOfPixels], msgspec.Meta(min_length=SIDE, max_length=SIDE)]
