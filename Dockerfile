# inbox-watcher as a container: the daemon as uid 10001, its state on one volume, nothing else
# writable.
#
#   docker build -t inbox-watcher .
#   docker run --rm --read-only --tmpfs /tmp inbox-watcher demo
#
# deploy/compose.yaml runs it permanently; deploy/try-image.sh tests everything against simulators.
# Everything installed is pinned with hashes in deploy/*.lock. Pass a pip configuration (for your own
# index) without storing it in the image: --secret id=pip,src=pip.conf

# Python 3.12.15. The digest decides, the tag is for people: renew both together, after
# `docker buildx imagetools inspect python:3.12-slim-bookworm`, and run deploy/try-image.sh.
ARG BASE=python:3.12-slim-bookworm@sha256:34386ef0cb081344d7ec1c103ba398e6e9f64e9ab3a1509accc92a4e24a07258

# hadolint ignore=DL3006
FROM ${BASE} AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# Only wheels: nothing is compiled here, and no third-party build script runs. The environment has
# no pip; the one here installs into it.
COPY deploy/requirements.lock deploy/requirements-build.lock deploy/
RUN --mount=type=secret,id=pip,target=/etc/pip.conf \
    python3 -m venv --without-pip /opt/inbox-watcher \
    && pip --python /opt/inbox-watcher/bin/python install \
        --only-binary :all: --require-hashes --no-deps -r deploy/requirements.lock \
    && python3 -m venv /build/venv \
    && /build/venv/bin/pip install \
        --only-binary :all: --require-hashes --no-deps -r deploy/requirements-build.lock

COPY pyproject.toml README.md LICENSE ./
COPY watcher watcher
RUN /build/venv/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && pip --python /opt/inbox-watcher/bin/python install --no-index --no-deps dist/*.whl \
    && pip --python /opt/inbox-watcher/bin/python check


# What changes with each build comes last.
# hadolint ignore=DL3006
FROM ${BASE}

LABEL org.opencontainers.image.title="inbox-watcher" \
      org.opencontainers.image.description="Watches shared inboxes from outside and tells at once what changed" \
      org.opencontainers.image.licenses="MIT"

# On first use, the volume takes the owner and mode of this folder. Nothing here installs packages.
RUN useradd --uid 10001 --user-group --no-create-home --no-log-init \
        --home-dir /var/lib/inbox-watcher --shell /usr/sbin/nologin inbox-watcher \
    && install -d -o 10001 -g 10001 -m 0700 /var/lib/inbox-watcher \
    && install -d -m 0755 /etc/inbox-watcher \
    && rm -rf /usr/local/bin/pip* /usr/local/lib/python3*/site-packages/pip*

ENV PATH=/opt/inbox-watcher/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    INBOX_WATCHER_CONFIG=/etc/inbox-watcher

# `store` must be on the volume: a relative one would start at /etc/inbox-watcher, which is read only.
WORKDIR /var/lib/inbox-watcher
VOLUME /var/lib/inbox-watcher

# Health and metrics, if the configuration sets `server: {probes: 0.0.0.0:8485}`.
EXPOSE 8485

# Uses the default `server.listen` on the container's loopback; http.client ignores proxies.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-IS", "-c", "import http.client, sys; it = http.client.HTTPConnection('127.0.0.1', 8484, timeout=4); it.request('GET', '/healthz'); sys.exit(it.getresponse().status != 200)"]

COPY --from=build /opt/inbox-watcher /opt/inbox-watcher
USER 10001:10001

# The daemon is PID 1: it handles SIGTERM itself and ends within ten seconds.
ENTRYPOINT ["inbox-watcher"]
CMD ["run"]
