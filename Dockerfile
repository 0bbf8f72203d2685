# One image with both programs; the command chooses: rewards-agent (default) or rewards-catalogue.
#
#   docker build -t rewards-sidecar .                (or: make image)
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     -v /etc/rewards-agent:/etc/rewards-agent:ro -v rewards-agent:/var/lib/rewards-agent rewards-sidecar
#   docker run --entrypoint rewards-catalogue … rewards-sidecar serve
#
# Any image with Python 3.11 or newer serves as base: --build-arg BASE=registry.example/python:3.11-slim. Another one may
# build (it needs the venv module too, and the same Python at the same place): --build-arg BUILD=…

ARG BASE=python:3.11-slim
ARG BUILD=${BASE}

# Nothing; a build without the internet puts a directory of wheels in its place: --build-context wheels=DIR
FROM scratch AS wheels

FROM ${BUILD} AS build
# With that directory: PIP_NO_INDEX=1 and PIP_FIND_LINKS=/wheels.
ARG PIP_NO_INDEX=
ARG PIP_FIND_LINKS=
WORKDIR /src
COPY requirements.run.lock .
# Every wheel is checked against its hash here; what is not in the lock is not taken.
RUN --mount=type=bind,from=wheels,target=/wheels \
    python3 -m venv /pip \
 && /pip/bin/python -m pip download --disable-pip-version-check --no-cache-dir --only-binary :all: \
      --require-hashes --requirement requirements.run.lock --dest /locked
COPY . .
RUN python3 -m venv --without-pip /opt/rewards \
 && PIP_NO_INDEX=1 PIP_FIND_LINKS=/locked /pip/bin/python -m pip --python /opt/rewards/bin/python3 \
      --disable-pip-version-check install --no-cache-dir '.[catalogue]' \
 && find /opt/rewards -type d \( -name tests -o -name test \) -path '*/site-packages/*' -prune -exec rm -rf {} +

FROM ${BASE}
ARG UID=10733
LABEL org.opencontainers.image.title="rewards-sidecar" \
      org.opencontainers.image.description="Rewards agent and catalogue for Moodle and Open LMS" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
# Nobody in this image installs or compiles anything, or becomes somebody else; what could is taken out.
RUN cd /usr/local && rm -rf lib/python3*/site-packages/pip* lib/python3*/site-packages/setuptools* bin/pip* \
      lib/python3*/ensurepip /usr/lib/python3*/ensurepip \
 && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
 && groupadd --gid ${UID} rewards \
 && useradd --uid ${UID} --gid ${UID} --no-create-home --home-dir /var/lib/rewards-agent \
      --shell /usr/sbin/nologin rewards \
 && install -d -o rewards -g rewards -m 0700 /var/lib/rewards-agent /var/lib/rewards-catalogue
COPY --from=build /opt/rewards /opt/rewards
ENV PATH=/opt/rewards/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A number: whoever starts it can see that it is not root's (Kubernetes' runAsNonRoot).
USER ${UID}:${UID}
WORKDIR /var/lib/rewards-agent
VOLUME ["/var/lib/rewards-agent"]
EXPOSE 8733
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["rewards-agent", "status", "--live", "--json"]
ENTRYPOINT ["rewards-agent"]
CMD ["run"]
