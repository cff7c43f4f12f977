# NATS without root: its data folder belongs to the user that runs it.
FROM nats:2.12-alpine
RUN mkdir /data && chown 1000:1000 /data
USER 1000:1000
VOLUME /data
