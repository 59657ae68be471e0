# An image that holds the proxy, what it links, and settings that the environment fills in.
#
#   docker build --tag photofinish .
#   docker run --rm --publish 8080:8080 --env UPSTREAM=http://app:3000 photofinish
ARG SWIFT=6.3
ARG DEBIAN=bookworm

FROM swift:${SWIFT}-${DEBIAN} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# Debian keeps no version but the newest: a pinned one would be gone with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends liblzma-dev libssl-dev libnghttp2-dev libzstd-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# The manifest names the targets of the tests, so these have to be there; they are not built.
COPY Package.swift ./
COPY Tests Tests
COPY Sources Sources
RUN swift build --configuration release --static-swift-stdlib --product photofinish \
    && strip -o /photofinish "$(swift build --configuration release --static-swift-stdlib --show-bin-path)/photofinish" \
    && /photofinish --version

FROM debian:${DEBIAN}-slim
# Debian keeps no version but the newest: a pinned one would be gone with the next security update.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends liblzma5 libnghttp2-14 libssl3 libstdc++6 libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --system --gid 10001 photofinish \
    && useradd --system --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin photofinish
COPY --from=build /photofinish /usr/local/bin/photofinish
COPY --chmod=755 packaging/container/photofinish-health packaging/container/photofinish-reloader /usr/local/bin/
COPY packaging/container/photofinish.yaml /etc/photofinish/photofinish.yaml
# The program starts with these settings or the build fails.
RUN photofinish validate --strict /etc/photofinish/photofinish.yaml
# By number, so that an orchestrator sees that it is not root.
USER 10001:10001
EXPOSE 8080
# It drains: `timeouts.drain` is 30s, and docker stop waits 10s unless it is told `--time 40`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 CMD ["photofinish-health"]
ENTRYPOINT ["photofinish"]
CMD ["serve", "--settings", "/etc/photofinish/photofinish.yaml"]
