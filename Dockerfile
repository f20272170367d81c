# syntax=docker/dockerfile:1
# The image of Keywarden: Node.js, the libraries that it is linked to, the compiled program and its production
# dependencies. Nothing else: no shell, no package manager. See docs/container.md.

# The base is only worked in; what is published starts from an empty file system.
ARG BASE=node:24-bookworm-slim

FROM ${BASE} AS build
WORKDIR /build
ENV npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false
COPY package.json package-lock.json .npmrc ./
# Behind a proxy that speaks TLS itself: the file of its root, mounted into the build. See docs/container.md.
ARG NODE_EXTRA_CA_CERTS
# The lock file names every package by its digest, so a cache is as good as the registry. A package's own install
# scripts are not needed here, so they are not run.
RUN ["npm", "ci", "--prefer-offline", "--ignore-scripts", "--loglevel=error"]
COPY tsconfig.json tsconfig.build.json kbs.config.yaml README.md LICENSE ./
COPY bin bin
COPY scripts scripts
COPY src src
COPY policies policies
COPY resources resources
RUN ["node", "scripts/build.js"]
RUN ["npm", "prune", "--omit=dev", "--ignore-scripts", "--loglevel=error"]
# Every file bears this time, in seconds since 1970, so that two builds of the same sources are equal to the bit.
ARG SOURCE_DATE_EPOCH=0
RUN ["node", "scripts/image-root.js", "/image"]

# The list of what the image holds, for `--target sbom --output …`.
FROM scratch AS sbom
COPY --from=build /image/opt/keywarden/sbom.cdx.json /sbom.cdx.json

FROM scratch
COPY --from=build /image /
ENV NODE_ENV=production
WORKDIR /var/lib/keywarden
USER 1000:1000
VOLUME ["/var/lib/keywarden"]
EXPOSE 8080 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s --retries=3 \
  CMD ["/usr/local/bin/node", "/opt/keywarden/bin/keywarden.js", "health"]
ENTRYPOINT ["/usr/local/bin/node", "/opt/keywarden/bin/keywarden.js"]
CMD ["serve", "--config", "/etc/keywarden/kbs.config.yaml"]
