FROM python:3.11-slim

# PyTorch's own package index has a smaller build for CPUs only: --build-arg TORCH_INDEX=its-address
ARG TORCH_INDEX=""

WORKDIR /fogfleet
COPY constraints.txt ./
RUN pip install --no-cache-dir --constraint constraints.txt ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} torch
COPY pyproject.toml README.md LICENSE ./
COPY sim sim
COPY brokers brokers
COPY analysis analysis
RUN pip install --no-cache-dir --constraint constraints.txt .
COPY scenarios scenarios
COPY docker/connected.py ./

# Any user may store networks here and results in runs/: the compose file runs as whoever calls it.
ENV FOGFLEET_CACHE=/var/cache/fogfleet MPLCONFIGDIR=/var/cache/fogfleet
RUN mkdir -m 1777 /var/cache/fogfleet runs
USER 1000
ENTRYPOINT ["fogfleet"]
CMD ["--help"]
