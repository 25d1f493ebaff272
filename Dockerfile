# The serving image, which is the last stage: Python, the pinned packages, the service and the champion. `make image`
# builds it. And two more, which are the stages called training and load: `make train-image`, `make load-image`.

FROM python:3.13-slim AS venv
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0
RUN python3 -m venv --without-pip /venv

FROM venv AS training-packages
COPY requirements/train.txt /build/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python install --no-compile --require-hashes -r /build/requirements.txt
# What training does not load: what is left out below, TensorFlow's C headers, and clang, which nothing here imports.
RUN cd /venv/lib/python3*/site-packages \
 && rm -rf ai_edge_litert/libLiteRtWebGpuAccelerator.so ai_edge_litert/tools ai_edge_litert/vendors \
    clang tensorflow/include \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && find . -type f -regex '.*\.\(c\|cpp\|h\|hpp\|pxd\|pyi\|pyx\|a\)' -delete
# 180 MB that start a run in a third of the time.
RUN /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM python:3.13-slim AS training
COPY --from=training-packages /venv /venv
COPY app /srv/app
COPY training /srv/training
COPY deploy/model /srv/deploy/model
# Here a run may write, and in /tmp. The user has a name because MLflow asks for one.
WORKDIR /work
RUN chown 65532:65532 /work
ENV PATH=/venv/bin:$PATH PYTHONPATH=/srv PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOME=/work USER=training GIT_PYTHON_REFRESH=quiet
USER 65532:65532
ENTRYPOINT ["python", "-m", "training"]
ARG REVISION
# What a run notes as its commit, where there is no git.
ENV MNIST_REVISION=$REVISION
LABEL org.opencontainers.image.title=mnist-api-training \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.revision=$REVISION

FROM venv AS load-packages
COPY requirements/load.txt /build/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python install --no-compile --require-hashes -r /build/requirements.txt
RUN /venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /venv/lib

FROM python:3.13-slim AS load
COPY --from=load-packages /venv /venv
COPY loadtests /srv/loadtests
COPY deploy/model/golden.json /srv/deploy/model/golden.json
WORKDIR /srv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
ENTRYPOINT ["locust", "--locustfile", "loadtests/locustfile.py", "--headless"]
ARG REVISION
LABEL org.opencontainers.image.title=mnist-api-load \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.revision=$REVISION

FROM venv AS build
# serve, or tracing: the same and OpenTelemetry.
ARG REQUIREMENTS=serve
COPY requirements/${REQUIREMENTS}.txt /build/requirements.txt
RUN --mount=type=cache,target=/root/.cache/pip \
    pip --python /venv/bin/python install --no-compile --require-hashes -r /build/requirements.txt

# What no served request loads: LiteRT's GPU accelerator, its vendors' compilers and tools, what Pillow has for AVIF, fonts,
# colour profiles and Tk, tests, C sources.
RUN cd /venv/lib/python3*/site-packages \
 && rm -rf ai_edge_litert/libLiteRtWebGpuAccelerator.so ai_edge_litert/tools ai_edge_litert/vendors \
    PIL/_avif.* PIL/_imagingcms.* PIL/_imagingft.* PIL/_imagingtk.* pillow.libs/libavif* pillow.libs/libbrotli* \
    pillow.libs/libfreetype* pillow.libs/libharfbuzz* pillow.libs/liblcms2* pillow.libs/libpng16* \
 && find . -type d -name tests -prune -exec rm -rf {} + \
 && find . -type f -regex '.*\.\(c\|cpp\|h\|hpp\|pxd\|pyi\|pyx\|a\)' -delete

COPY app /srv/app
COPY deploy/model /srv/deploy/model
# Compiled here, because nothing can be written at run time; by hash, not by time, so that two builds are the same.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /venv/lib /srv/app
# The model answers its golden cases with what is left, or there is no image.
ARG MODEL_SHA256
RUN cd /srv && /venv/bin/python -c "import sys; from pathlib import Path; from app import main, model, worker; \
    sha256 = model.load(Path('deploy/model')).bundle.manifest.sha256; \
    sys.exit(sha256 != '$MODEL_SHA256' and f'MODEL_SHA256 must be {sha256}: build with make image')" \
 && mkdir -p /layers/packages /layers/service && mv /venv /layers/packages && mv /srv /layers/service \
 && find /layers -exec touch --no-dereference --date=@0 {} +

FROM python:3.13-slim
# Folders within folders, so that their times are the ones set above: two builds of one commit have the same layers.
COPY --from=build /layers/packages /
COPY --from=build /layers/service /
WORKDIR /srv
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 MNIST_HOST=0.0.0.0
# Any number but 0; a number, so that Kubernetes can see that it is not root.
USER 65532:65532
EXPOSE 5000 9464
ENTRYPOINT ["gunicorn", "-c", "app/gunicorn.conf.py"]
ARG MODEL_SHA256
ARG REVISION
ARG VERSION
ENV MNIST_VERSION=$VERSION MNIST_REVISION=$REVISION
LABEL org.opencontainers.image.title=mnist-api \
      org.opencontainers.image.licenses=MIT \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.version=$VERSION \
      mnist-api.model.sha256=$MODEL_SHA256
