# One image for every service; the command chooses which. Built in steps, so that compilers and sources stay out of it.
#
#   docker build --target services -t signalbox .            what runs anywhere without rights
#   docker build --target node-agent -t signalbox-agent .    with the programs that a kernel is programmed with
#   docker build --target haproxy-driver -t signalbox-haproxy .    with HAProxy

FROM node:20-bookworm-slim AS manifests
WORKDIR /app
COPY . .
RUN find . -type f ! -name 'package*.json' ! -name .npmrc -delete && find . -type d -empty -delete

# Dependencies change more rarely than sources: this layer stays while the manifests do.
FROM node:20-bookworm-slim AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends build-essential python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY --from=manifests /app .
RUN npm ci --no-audit --no-fund
COPY . .
# What runs needs neither sources nor types, and of better-sqlite3 only the compiled module.
RUN npm run --silent build --workspace packages/udp-batch \
  && npx tsc -b packages/cli services/* migrations \
  && npm prune --omit=dev --no-audit --no-fund \
  && rm -rf test node_modules/.bin node_modules/better-sqlite3/deps node_modules/better-sqlite3/src \
  && find node_modules/better-sqlite3/build -type f ! -path '*/Release/better_sqlite3.node' -delete \
  && find packages/udp-batch/build -type f ! -name '*.node' -delete \
  && find . -type f '(' -name '*.ts' -o -name '*.cts' -o -name '*.mts' -o -name '*.map' -o -name '*.tsbuildinfo' \
       -o -name 'tsconfig*.json' ')' -delete \
  && find . -type d -empty -delete

FROM node:20-bookworm-slim AS services
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/packages ./packages
COPY --from=build /app/services ./services
COPY --from=build /app/migrations ./migrations
COPY --from=build /app/scripts/healthcheck.mjs ./scripts/
RUN mkdir /data && chown 1000:1000 /data
# The user `node`, by number, so that Kubernetes can see that it is not root.
USER 1000:1000
VOLUME /data
# Every service answers here; SIGNALBOX_HEALTH_LISTEN moves it.
HEALTHCHECK --interval=10s --timeout=8s --start-period=30s --retries=3 \
  CMD ["node", "/app/scripts/healthcheck.mjs"]
ENTRYPOINT ["node"]
CMD ["packages/cli/bin/signalbox.js", "--help"]

# The programs of all backends. Runs in the node's network and process namespaces as root, with NET_ADMIN and NET_RAW alone.
FROM services AS node-agent
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends conntrack ipset iproute2 iptables ipvsadm nftables \
  && rm -rf /var/lib/apt/lists/*
CMD ["services/node-agent/dist/main.js"]

# With the load balancer that the driver programs, and starts.
FROM services AS haproxy-driver
USER root
RUN apt-get update && apt-get install -y --no-install-recommends haproxy && rm -rf /var/lib/apt/lists/*
USER 1000:1000
CMD ["services/haproxy-driver/dist/main.js"]

# The last one is what is built when no target is named.
FROM services
