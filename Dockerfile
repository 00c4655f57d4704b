# The pipeline as a container: `rnnflow` is the entry point, /work is the one place it writes to.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" -t rnnflow:0.1.0 .
#   docker run --rm -v rnnflow-work:/work rnnflow:0.1.0 run /app/pipelines/configs/japanese_vowels.yaml
#
# A package index, proxy or certificate of your own belongs to the build and never to the image:
#   docker build --secret id=pip.conf,src=$HOME/.config/pip/pip.conf .
ARG BASE_IMAGE=python:3.11.14-slim-bookworm

FROM ${BASE_IMAGE} AS builder
WORKDIR /build
RUN apt-get update && apt-get install --yes --no-install-recommends g++
COPY requirements.lock ./
# The environment gets no pip of its own: the image cannot install anything at run time.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    python -m venv --without-pip /opt/rnnflow \
    && python -m pip --python /opt/rnnflow/bin/python install \
        --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY rnn_core ./rnn_core
COPY components ./components
COPY pipelines ./pipelines
# The build backend is the locked one, which the environment already holds.
RUN python -m pip --python /opt/rnnflow/bin/python install \
        --no-cache-dir --no-deps --no-index --no-build-isolation .
# Beside the installed source, not this one: -P keeps the working directory off the path.
RUN /opt/rnnflow/bin/python -P -m rnn_core.kernels \
    && test -e /opt/rnnflow/lib/python3*/site-packages/rnn_core/kernels/kernels-*.so

FROM ${BASE_IMAGE}
# The account has a name because Beam and MLflow ask for one.
RUN useradd --uid 1000 --user-group --no-create-home --home-dir /work --shell /usr/sbin/nologin rnnflow \
    && install --directory --owner=rnnflow --group=rnnflow --mode=0750 /work
# What is installed belongs to root, so that the account that runs it cannot change it.
COPY --from=builder /opt/rnnflow /opt/rnnflow
# The bundled config names its data relative to its own folder: /app keeps the repository's layout.
COPY pipelines/configs /app/pipelines/configs
COPY data /app/data
ENV PATH=/opt/rnnflow/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/work \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    GIT_PYTHON_REFRESH=quiet
ARG REVISION=unknown
LABEL org.opencontainers.image.title="rnnflow" \
      org.opencontainers.image.description="Labelled sequences in, a gated, registered and tracked RNN classifier out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"
# There is no git and no checkout in here: the commit that a run reports comes from the build.
ENV GIT_COMMIT=${REVISION}
VOLUME ["/work"]
WORKDIR /work
USER 1000:1000
ENTRYPOINT ["rnnflow"]
