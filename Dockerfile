# One image for every role of ours; docker-compose.yml says which role a container plays.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY core core
COPY wire wire
COPY simulator simulator
COPY gateway gateway
COPY analytics analytics
COPY chamber chamber
COPY portal portal
COPY testbed testbed
RUN python -m venv /opt/testbed \
 && /opt/testbed/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:3.12-slim
RUN groupadd --system --gid 10001 testbed \
 && useradd --system --uid 10001 --gid 10001 --home-dir /data --shell /usr/sbin/nologin testbed \
 && install -d -o testbed -g testbed /data /broker
COPY --from=build /opt/testbed /opt/testbed
COPY configs /app/configs
COPY configs/deploy/healthy.py /app/healthy.py
ENV PATH=/opt/testbed/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TESTBED_DATA_DIR=/data \
    HOME=/tmp
WORKDIR /app
USER testbed
VOLUME /data
# A role writes its status once a second; ROLE is set for each container.
ENV ROLE=
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s --retries=6 \
    CMD ["python", "/app/healthy.py"]
ENTRYPOINT ["testbed"]
CMD ["--help"]
