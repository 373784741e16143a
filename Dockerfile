# One image for every role: docker-compose.yml gives the command, and EXTRAS=[cuda] for GPUs.
FROM python:3.12-slim

ARG EXTRAS=""
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1

WORKDIR /opt/hpo
COPY pyproject.toml README.md LICENSE ./
COPY objectives objectives
COPY storage storage
COPY studies studies
RUN pip install ".${EXTRAS}"

RUN useradd --create-home hpo && mkdir /artifacts /data && chown hpo /artifacts /data
USER hpo
WORKDIR /home/hpo
VOLUME ["/artifacts", "/data"]
ENV HPO_ARTIFACTS=/artifacts HPO_DATA=/data KERAS_HOME=/data/keras

# The password comes from a file, as Docker gives secrets, and goes to libpq alone: it is in no URL,
# so that no log, table or process list can show it.
ENTRYPOINT ["/bin/sh", "-c", "if [ -n \"$PGPASSWORD_FILE\" ]; then PGPASSWORD=\"$(cat \"$PGPASSWORD_FILE\")\"; export PGPASSWORD; fi; exec hpo \"$@\"", "hpo"]
CMD ["--help"]
