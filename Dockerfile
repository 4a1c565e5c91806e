# Two stages: build with everything, run with the bundle, the built client, the migrations and the two packages that
# cannot be bundled. No architecture is named anywhere: each platform installs its own binaries.
# scripts/image-rehearsal.mjs follows this file step by step without a container engine.
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY . .
RUN npm run build
RUN node scripts/collect-runtime.mjs /out

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8080 DATA_DIR=/data
RUN mkdir -p /data && chown node:node /data
COPY --from=build /out /app
WORKDIR /app
USER node
VOLUME ["/data"]
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=4 CMD ["node", "healthcheck.mjs"]
CMD ["node", "--enable-source-maps", "dist/server/main.js"]
