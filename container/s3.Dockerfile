# An S3 that forgets everything when it is stopped, for docker-compose.yml; nothing of topicdock's image.
ARG BASE=python:3.11-slim-bookworm
FROM $BASE
COPY constraints.txt /
RUN python3 -m venv /opt/moto && \
    /opt/moto/bin/pip install --quiet --no-cache-dir --disable-pip-version-check --constraint /constraints.txt \
        'moto[s3]' flask flask-cors
EXPOSE 5000
ENTRYPOINT ["/opt/moto/bin/python3", "-W", "ignore", "-m", "moto.server", "--host", "0.0.0.0", "--port", "5000"]
