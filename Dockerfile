# A convenience for amd64 and arm64; the reference installation is apps/pi/install.sh.
# Not built by the project's tests: say so in an issue if it does not.
#
#   docker build -t q2d2-stream .
#   docker run --rm -v "$PWD:/data" q2d2-stream q2d2 encode /data/speech.wav /data/speech.q2d2
#   docker run --rm --device /dev/snd --group-add audio -p 9000:9000 \
#     -v "$PWD/secret.txt:/run/secret:ro" \
#     q2d2-stream q2d2-call --listen 0.0.0.0:9000 --secret-file /run/secret
FROM python:3.13-slim-trixie AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY q2d2_stream q2d2_stream
RUN pip install --no-cache-dir build && python -m build --wheel

FROM python:3.13-slim-trixie
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libportaudio2 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/dist/*.whl /tmp/
RUN for wheel in /tmp/*.whl; do pip install --no-cache-dir "$wheel[tflite]"; done \
    && rm /tmp/*.whl \
    && useradd --system --user-group q2d2
USER q2d2
ENV OMP_NUM_THREADS=1
EXPOSE 9000
CMD ["q2d2", "info"]
