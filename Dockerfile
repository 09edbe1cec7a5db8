# One file, three images: --target operator | server | authority. BASE_IMAGE is any Debian 12 with Node 24 and npm.
ARG BASE_IMAGE=node:24-bookworm-slim

FROM ${BASE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN node build.ts && mkdir /app/compile-cache && chown 10001:10001 /app/compile-cache
# Compiled code for a quicker start, of each program its own. Node keeps it by user, path and V8's options, so it is made as the user, at
# the place and with the options of later.
USER 10001:10001
RUN cache() { program=$1; shift; NODE_COMPILE_CACHE=/app/compile-cache/$program node "$@" dist/$program/main.js --help >/dev/null; }; \
    cache operator --no-allocation-site-pretenuring; \
    cache server --no-allocation-site-pretenuring; \
    cache authority --no-allocation-site-pretenuring

# Node without its symbols and what else only a debugger reads.
FROM ${BASE_IMAGE} AS node
RUN apt-get update -qq; apt-get install -y -qq --no-install-recommends binutils >/dev/null; \
    strip -o /node "$(readlink -f "$(command -v node)")"

# Node and the libraries that it loads, nothing else: no shell, no package manager.
FROM ${BASE_IMAGE} AS slim
COPY --from=node /node /slim/usr/local/bin/node
RUN set -eu; mkdir -p /slim/etc /slim/tmp; chmod 1777 /slim/tmp; \
    ldd /slim/usr/local/bin/node | grep -o '/[^ )]*' | sort -u | xargs -I{} cp --parents -L {} /slim; \
    echo 'licence:x:10001:10001:licence:/tmp:/usr/sbin/nologin' >/slim/etc/passwd; \
    echo 'licence:x:10001:' >/slim/etc/group; \
    echo 'hosts: files dns' >/slim/etc/nsswitch.conf

FROM scratch AS operator
COPY --from=slim /slim /
COPY --from=build /app/dist/operator /app/dist/operator
COPY --from=build /app/compile-cache/operator /app/compile-cache
# One arena: what the C library keeps for each of node's threads by itself is a tenth of the program's memory.
ENV PATH=/usr/local/bin NODE_ENV=production NODE_COMPILE_CACHE=/app/compile-cache MALLOC_ARENA_MAX=1 OPERATOR_LISTEN=0.0.0.0:8081
USER 10001:10001
EXPOSE 8081
# Nearly all that a reconcile allocates is short-lived; V8 would let that space grow to 100 MiB and keep it. And where V8 takes a
# place in the program for one that makes long-lived objects, it allocates them among the old ones, where they keep alive all
# that they refer to: one server in three fell into that and needed twice the processor, and 60 MiB more (docs/performance.md).
ENTRYPOINT ["node", "--no-allocation-site-pretenuring", "--max-semi-space-size=4", "/app/dist/operator/main.js"]

# PostgreSQL without its just-in-time compiler (more than half of its size, useless for short queries) and without the Perl
# scripts around it. createcluster.conf: the package would otherwise make a database in the image. libnss-wrapper: initdb needs a name for
# its user, and a platform may run this as any. tini is the first process: it takes the processes that a crash of PostgreSQL orphans, and
# is there for a signal before the program is. Whoever takes a newer PostgreSQL leaves the older one in beside it: its data are taken over
# by the programs of both.
FROM ${BASE_IMAGE} AS debian
RUN set -eu; mkdir -p /etc/postgresql-common; echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf; \
    apt-get update -qq; apt-get install -y -qq --no-install-recommends postgresql-15 libnss-wrapper tini; \
    rm -rf /usr/lib/*/libLLVM-* /usr/lib/*/libz3.so* /usr/lib/postgresql/15/lib/bitcode /usr/lib/postgresql/15/lib/llvmjit* \
      /usr/share/perl /usr/lib/*/perl /usr/lib/*/libperl.so* /usr/share/i18n /usr/share/postgresql/15/man \
      /usr/share/doc/* /usr/share/man/* /usr/share/locale/* /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*; \
    useradd --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin licence; \
    mkdir -p '/var/Softonit/Licence Server'; chown 10001:10001 '/var/Softonit/Licence Server'
COPY --from=node /node /usr/local/bin/node
# No package manager, no Perl, no npm, no character sets of others; which packages it is made of stays told (/var/lib/dpkg/status).
RUN set -eu; cd /usr/lib/postgresql/15; rm -rf lib/pgxs lib/*.a bin/pgbench bin/pg_upgrade bin/pg_amcheck bin/pg_waldump bin/pg_rewind \
      bin/pg_verifybackup bin/pg_receivewal bin/pg_recvlogical bin/pg_test_* bin/pg_archivecleanup bin/reindexdb bin/clusterdb; \
    rm -rf /usr/local/lib/node_modules /usr/local/bin/npm /usr/local/bin/npx /usr/local/bin/corepack /usr/local/bin/yarn* /opt/* \
      /usr/local/include /usr/local/share/* /usr/share/perl5 /usr/lib/*/perl-base /usr/bin/perl* /usr/lib/*/gconv /usr/lib/apt /usr/lib/*/libapt-* \
      /usr/bin/apt* /var/lib/apt /etc/apt /usr/lib/dpkg /usr/bin/dpkg* /var/lib/dpkg/info /usr/share/debconf /usr/share/bug /usr/share/lintian \
      /usr/share/info /usr/lib/systemd /usr/share/postgresql-common /var/cache/* /var/log/*

FROM scratch AS postgres
COPY --from=debian / /
ENV PATH=/usr/lib/postgresql/15/bin:/usr/local/bin:/usr/bin:/bin NODE_ENV=production NODE_COMPILE_CACHE=/app/compile-cache \
    LICENCE_LISTEN=0.0.0.0:8080
WORKDIR /app
USER 10001:10001
EXPOSE 8080

FROM postgres AS server
COPY --from=build /app/compile-cache/server /app/compile-cache
COPY --from=build /app/dist/server /app/dist/server
# As the operator's: what a request allocates is gone with its answer. And what a start leaves behind is collected once, before the first.
ENTRYPOINT ["tini", "--", "node", "--no-allocation-site-pretenuring", "--max-semi-space-size=8", "/app/dist/server/main.js"]

FROM postgres AS authority
COPY --from=build /app/compile-cache/authority /app/compile-cache
COPY --from=build /app/dist/authority /app/dist/authority
ENTRYPOINT ["tini", "--", "node", "--no-allocation-site-pretenuring", "/app/dist/authority/main.js"]
