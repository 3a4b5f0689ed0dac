FROM --platform=$BUILDPLATFORM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG TARGETOS TARGETARCH
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH go build -trimpath -pgo=bench/default.pgo -ldflags=-s -o /usergraph .

# Certificates, time zones and nothing else: no shell, no package manager. The server writes no file.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /usergraph /usergraph
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s CMD ["/usergraph", "health"]
ENTRYPOINT ["/usergraph"]
