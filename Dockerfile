# syntax=docker/dockerfile:1
#
# The bridge and nothing else: no shell, no package manager, no root.
#
#   docker build -t konektor-bridge .
#   docker run --read-only -v bridge-data:/data -p 127.0.0.1:8080:8080 -e KONEKTOR_API_KEY … konektor-bridge

# Built on the Debian that it runs on, so that the C library fits.
FROM rust:1.95-slim-trixie AS build
WORKDIR /bridge

# First the dependencies alone, with an empty program around them: this layer is built again only when they change.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
RUN mkdir -p src /data \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs \
    && cargo build --release --locked

# Cargo goes by times, and a copied file may be older than the empty one that was built above.
COPY config config
COPY src src
RUN touch src/main.rs src/lib.rs && cargo build --release --locked

# libc, the certificate authorities (for the TLS of outgoing calls), time zones, and a user without rights: 65532.
FROM gcr.io/distroless/cc-debian13:nonroot
LABEL org.opencontainers.image.title="konektor-bridge" \
      org.opencontainers.image.description="Takes lead webhooks from forms, WhatsApp and ad platforms and turns each into exactly one Konektor lead" \
      org.opencontainers.image.url="https://konektor.id" \
      org.opencontainers.image.licenses="MIT"

COPY --from=build /bridge/target/release/konektor-bridge /usr/local/bin/
# The only place that is written to. A new volume takes its owner from here.
COPY --from=build --chown=65532:65532 /data /data
VOLUME /data
ENV BRIDGE_DATA_DIR=/data
# Tells the C library to give the memory of large bodies back when they are gone: by itself it learns from the first of them to keep it.
ENV MALLOC_TRIM_THRESHOLD_=131072

# By number, so that Kubernetes can see that it is not root.
USER 65532:65532
# Public: webhooks. The admin side listens on 127.0.0.1:8081, inside the container only, until you say otherwise.
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["konektor-bridge", "healthcheck"]
ENTRYPOINT ["konektor-bridge"]
CMD ["serve"]
