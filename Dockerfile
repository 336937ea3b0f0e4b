# One image for every service: `touchstone serve gateway`, `touchstone serve retrieval`, `touchstone migrate`, …
FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY . .
RUN npm ci && npx tsc -b apps/touchstone
# What runs: the program's own packages, this machine's binaries, and compiled code without sources, tests and types.
RUN npm ci --omit=dev --workspace=@touchstone/touchstone \
 && find node_modules/onnxruntime-node/bin/napi-* -mindepth 2 -maxdepth 2 ! -path "*/linux/$(node -p process.arch)" -exec rm -r {} + \
 && rm -r apps/*/src services/*/src libs/*/src libs/contracts/gen \
 && find apps services libs \( -name '*.spec.*' -o -name '*.d.ts' -o -name '*.tsbuildinfo' -o -name 'tsconfig*.json' \) -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production TOUCHSTONE_HOST=0.0.0.0 TOUCHSTONE_DATA_DIR=/var/lib/touchstone
# npm and the rest of the build are not needed to run; the folder below is the only one that the program writes to.
RUN rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /opt/yarn-* \
 && echo 'touchstone:x:10001:10001::/var/lib/touchstone:/usr/sbin/nologin' >> /etc/passwd \
 && echo 'touchstone:x:10001:' >> /etc/group \
 && mkdir /var/lib/touchstone && chown 10001:10001 /var/lib/touchstone
COPY --from=build /app /app
RUN ln -s /app/apps/touchstone/dist/main.js /usr/local/bin/touchstone && chmod 755 /app/apps/touchstone/dist/main.js
USER 10001:10001
WORKDIR /var/lib/touchstone
EXPOSE 8080
ENTRYPOINT ["node", "--enable-source-maps", "/app/apps/touchstone/dist/main.js"]
CMD ["serve"]
