# One image with both programs; the command chooses: rewards-agent (default) or rewards-catalogue.
#
#   docker build -t rewards-sidecar .
#   docker run -v /etc/rewards-agent:/etc/rewards-agent:ro -v rewards-agent:/var/lib/rewards-agent rewards-sidecar
#   docker run --entrypoint rewards-catalogue … rewards-sidecar serve
#
# Any image with Python 3.11 or newer serves as base: --build-arg BASE=registry.example/python:3.11-slim

ARG BASE=python:3.11-slim

FROM ${BASE} AS build
WORKDIR /src
COPY requirements.lock .
# Every wheel is checked against its hash here; what the programs do not need at run time stays behind.
RUN python3 -m pip download --disable-pip-version-check --no-cache-dir --only-binary :all: \
      --require-hashes --requirement requirements.lock --dest /wheels
COPY . .
RUN python3 -m venv --without-pip /opt/rewards \
 && python3 -m pip --python /opt/rewards/bin/python3 --disable-pip-version-check install --no-cache-dir \
      --no-index --find-links /wheels '.[catalogue]'

FROM ${BASE}
ARG UID=10733
RUN useradd --uid ${UID} --no-create-home --home-dir /var/lib/rewards-agent --shell /usr/sbin/nologin rewards \
 && install -d -o rewards -g rewards -m 0700 /var/lib/rewards-agent /var/lib/rewards-catalogue
COPY --from=build /opt/rewards /opt/rewards
ENV PATH=/opt/rewards/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER rewards
WORKDIR /var/lib/rewards-agent
VOLUME ["/var/lib/rewards-agent"]
EXPOSE 8733
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["rewards-agent", "status", "--json"]
ENTRYPOINT ["rewards-agent"]
CMD ["run"]
