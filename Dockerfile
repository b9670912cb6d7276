# syntax=docker/dockerfile:1
# Tidegate's image: the host and the shipped plugins, without a shell, as a user that is not root.
#
#     docker build --tag tidegate .
#     docker run --read-only --env KAFKA_BOOTSTRAP_SERVERS=kafka:9092 --volume ./connectors.d:/etc/tidegate/connectors.d:ro \
#         --volume tidegate-state:/var/lib/tidegate tidegate
#
# Plugins of one's own: mount a folder of libraries at /usr/local/lib/tidegate/plugins, or
#     FROM tidegate
#     COPY libmine.so /usr/local/lib/tidegate/plugins/

# The bases can be replaced by mirrors. Both have to be of the same Debian, whose glibc and OpenSSL the host is built with.
ARG BUILD_BASE=docker.io/library/rust:1.89.0-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f

FROM ${BUILD_BASE} AS build
ARG PROFILE=dist
WORKDIR /src
COPY . .
# The dependencies are kept between builds: they take most of the time.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target deploy/stage /stage "$PROFILE"
# Volumes that are mounted here for the first time get this owner.
RUN install --directory --owner 65532 --group 65532 --mode 755 /stage/var/lib/tidegate

FROM ${BASE}
COPY --from=build /stage/ /
WORKDIR /etc/tidegate
USER 65532:65532
VOLUME /var/lib/tidegate
EXPOSE 8083
# Over the control socket, so that the REST API may be off, on another address or have logins.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/bin/tidegate", "health"]
ENTRYPOINT ["/usr/bin/tidegate"]
CMD ["run"]
