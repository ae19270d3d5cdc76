# The Go image is an argument, so that this builds from any base image that has
# Go 1.26 and a shell:
#   docker build --build-arg GO_IMAGE=registry.example/golang:1.26 --build-arg VERSION=v1.2.3 .
ARG GO_IMAGE=golang:1.26

FROM ${GO_IMAGE} AS build
WORKDIR /src

# Modules first: they change less often than the code.
ARG GOPROXY
COPY go.mod go.sum ./
RUN go mod download

COPY . .
ARG VERSION=dev
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=${VERSION}" -o /image/verdict ./cmd/verdict

# CA certificates for outgoing TLS, where the Go image has them; and the cache
# folder, the only place the process writes to.
RUN mkdir -p /image/etc/ssl/certs \
	&& if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; fi \
	&& mkdir -p /writable/cache/verdict \
	&& chmod 0700 /writable/cache/verdict

FROM scratch
ARG VERSION=dev
LABEL org.opencontainers.image.title="verdict" \
	org.opencontainers.image.description="Answers every decision Kubernetes asks of a webhook, from Rego policies" \
	org.opencontainers.image.source="https://github.com/verdict-dev/verdict" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.version="${VERSION}"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /writable/ /var/
# The development certificates go to $XDG_CACHE_HOME/verdict. With a read-only
# root file system, mount an emptyDir there.
ENV XDG_CACHE_HOME=/var/cache
# Numeric, so that Kubernetes can check runAsNonRoot.
USER 65532:65532
EXPOSE 8443 8081
ENTRYPOINT ["/verdict"]
CMD ["serve"]
