"""What schemathesis cannot make by itself: pictures of digits, as files and as base64."""

from base64 import b64encode

import schemathesis
from hypothesis import strategies as st

from app.content import BYTES
from app.picture import TYPES
from tests.pictures import file_of, validation

DIGITS = 20
images, _ = validation()


def pictures(kind):
    """The files of some digits, each of one kind."""
    return st.sampled_from([file_of(image, kind) for image in images[:DIGITS]])


kinds = {content_type: content_type.partition("/")[2] for content_type in TYPES}
for content_type, kind in kinds.items():
    schemathesis.openapi.media_type(content_type, pictures(kind))
any_kind = st.one_of(*map(pictures, kinds.values()))
pixels = st.integers(1, 3).map(lambda count: images[:count].tobytes())
schemathesis.openapi.media_type(BYTES, pixels)
schemathesis.openapi.format("binary", any_kind)
schemathesis.openapi.format("byte", any_kind.map(lambda file: b64encode(file).decode()))
