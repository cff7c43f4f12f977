# One image for every service; the command chooses which. Built in steps, so that compilers stay out of it.
# `docker build --target node-agent .` makes the image of a node agent that programs its node's kernel.
FROM node:20-bookworm-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends build-essential python3 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY . .
RUN npm ci --no-audit --no-fund && npm run --silent build --workspace packages/udp-batch \
  && npx tsc -b && npm prune --omit=dev

FROM node:20-bookworm-slim AS services
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app /app
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
# Every service answers here; SIGNALBOX_HEALTH_LISTEN moves it.
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
  CMD ["node", "/app/scripts/healthcheck.mjs"]
ENTRYPOINT ["node"]
CMD ["packages/cli/bin/signalbox.js", "--help"]

# The programs of all backends. Runs with `--network host --pid host --user 0 --cap-add NET_ADMIN --cap-add NET_RAW`.
FROM services AS node-agent
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends conntrack ipset iproute2 iptables ipvsadm nftables \
  && rm -rf /var/lib/apt/lists/*
CMD ["services/node-agent/dist/main.js"]

# The last one is what is built when no target is named.
FROM services
