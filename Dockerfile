# cskt in one image: the service, the indexer and the command line. Two targets:
#
#   docker build -t cskt .                                  on the CPU
#   docker build -t cskt:gpu --target gpu .                 on NVIDIA GPUs: wheels bring CUDA, the host the driver
#
#   docker run --rm -v cskt-data:/data -v /my/images:/images:ro cskt index /images --gallery /data/gallery
#   docker run --rm -v cskt-data:/data cskt key create --name me --scopes search --gallery /data/gallery
#   docker run --rm -v cskt-data:/data -p 127.0.0.1:8000:8000 cskt serve --gallery /data/gallery
#
# Bases are yours to choose: --build-arg BASE_IMAGE=... (with Python 3.11), --build-arg GPU_BASE_IMAGE=... (3.12). Every
# package is held to its hash. Wheels put into docker/wheels are the only ones used; without any, your registry is
# asked, and --build-arg PIP_EXTRA_INDEX_URL=... beside it: PyTorch's CPU index saves several GB.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG GPU_BASE_IMAGE=python:3.12-slim-bookworm

FROM scratch AS source
COPY pyproject.toml README.md LICENSE NOTICE docker/supply/LICENCES.md /src/
COPY docker/constraints /src/docker/constraints
COPY docker/wheels /src/docker/wheels
COPY docker/install.sh /src/docker/install.sh
COPY model /src/model
COPY indexer /src/indexer
COPY service /src/service

FROM ${BASE_IMAGE} AS build-cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
ARG PIP_EXTRA_INDEX_URL
COPY --from=source /src /src
WORKDIR /src
RUN sh docker/install.sh /opt/cskt cpu

FROM ${GPU_BASE_IMAGE} AS build-gpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
ARG PIP_EXTRA_INDEX_URL
COPY --from=source /src /src
WORKDIR /src
RUN sh docker/install.sh /opt/cskt gpu

FROM ${GPU_BASE_IMAGE} AS gpu
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
LABEL org.opencontainers.image.title="cskt" \
      org.opencontainers.image.description="Find a person in a gallery of images from a sentence (GPU)" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-gpu /opt/cskt /opt/cskt
RUN useradd --uid 10001 --no-create-home --home-dir /data cskt && install -d -o cskt -m 700 /data
ENV PATH=/opt/cskt/bin:$PATH PYTHONDONTWRITEBYTECODE=1 CSKT_HOST=0.0.0.0
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["python", "-m", "service.probe"]
ENTRYPOINT ["cskt"]
CMD ["--help"]

FROM ${BASE_IMAGE} AS cpu
LABEL org.opencontainers.image.title="cskt" \
      org.opencontainers.image.description="Find a person in a gallery of images from a sentence (CPU)" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build-cpu /opt/cskt /opt/cskt
RUN useradd --uid 10001 --no-create-home --home-dir /data cskt && install -d -o cskt -m 700 /data
ENV PATH=/opt/cskt/bin:$PATH PYTHONDONTWRITEBYTECODE=1 CSKT_HOST=0.0.0.0
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 CMD ["python", "-m", "service.probe"]
ENTRYPOINT ["cskt"]
CMD ["--help"]
