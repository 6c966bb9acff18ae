# One image trains and serves. Needs nothing beyond this folder: docker build -t topicdock .
#
# Layers go from what seldom changes to what often does: PyTorch, the other dependencies, topicdock itself. A change of
# topicdock's source rebuilds and pushes less than a megabyte.

# Name it by its digest (--build-arg BASE=python:3.11-slim-bookworm@sha256:...) for the same base image ever after.
ARG BASE=python:3.11-slim-bookworm

FROM $BASE AS torch
COPY constraints.txt /build/
# The next stage sees this line, not the file: another version of a linter reinstalls nothing.
RUN grep '^torch==' /build/constraints.txt > /build/torch.txt


FROM $BASE AS dependencies
RUN apt-get update -q && apt-get install -y -q --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/topicdock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# PyTorch's CPU build is a tenth of the CUDA build and comes from PyTorch's own index, unless pip is configured to find
# it elsewhere. TORCH_BUILD names another build of that index, such as cu130, whose CUDA libraries are installed with it.
# Builds differ from index to index, and so do their hashes: whoever knows the one that is due says TORCH_SHA256.
ARG TORCH_BUILD=cpu
ARG TORCH_SHA256=
COPY --from=torch /build/torch.txt ./
RUN echo "$(cat torch.txt)+$TORCH_BUILD${TORCH_SHA256:+ --hash=sha256:$TORCH_SHA256}" > wanted.txt && \
    install="python3 -m pip --python /opt/topicdock/bin/python3 install" && \
    index="https://download.pytorch.org/whl/$TORCH_BUILD" && \
    { $install --no-deps -r wanted.txt || $install --no-deps --index-url "$index" -r wanted.txt; } && \
    if [ "$TORCH_BUILD" != cpu ]; then $install --index-url "$index" "$(cat torch.txt)+$TORCH_BUILD"; fi

# Everything else at the versions, and with the hashes, that scripts/lock wrote down.
COPY container/requirements.txt ./
RUN python3 -m pip --python /opt/topicdock/bin/python3 install --no-deps --require-hashes -r requirements.txt

# What only developers of these packages need: tests, C++ headers and test programs, the names in the symbol tables; of
# PyTorch the compiler too, of botocore the descriptions of services that topicdock does not call, and of SciPy all but
# sparse matrices and linear algebra.
RUN cd /opt/topicdock/lib/python3*/site-packages && \
    find torch/bin -type f ! -name torch_shm_manager -delete && \
    rm -rf torch/include torch/test torch/share torch/_inductor && \
    find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name 'sso*' ! -name signin \
        -exec rm -rf {} + && \
    (cd scipy && rm -rf cluster datasets differentiate fftpack integrate interpolate \
        io ndimage odr optimize signal spatial stats) && \
    find numpy scipy -depth -type d -name tests -exec rm -rf {} + && \
    find torch/lib -name 'lib*_test.so' -delete && \
    strip --strip-unneeded torch/lib/libtorch_cpu.so torch/lib/libtorch_python.so
# Bytecode of all modules is a hundred megabytes, of those that are used half of that. Importing them writes it, and
# shows that nothing was taken away that is needed; tests/container checks that none of them was forgotten. A gradient
# is taken and a client made because PyTorch and boto3 import part of what they need only then.
RUN find /opt/topicdock -depth -type d -name __pycache__ -exec rm -rf {} + && \
    /opt/topicdock/bin/python3 -c "import boto3, click, flask, gunicorn.app.base, gunicorn.arbiter, \
gunicorn.glogging, gunicorn.workers.gthread, google.protobuf.descriptor_pb2, google.protobuf.internal.builder, \
google.protobuf.message_factory, google.protobuf.reflection, numpy.random, orjson, pydantic.main, pydantic.fields, \
pydantic.types, pydantic.json_schema, pydantic.functional_validators, pydantic.plugin._loader, safetensors.numpy, \
scipy.sparse, scipy.special, threadpoolctl, torch, torch.distributed, tqdm; \
weight = torch.zeros(1, requires_grad=True); weight.sum().backward(); \
boto3.client('s3', region_name='us-east-1')"


FROM dependencies AS package
COPY constraints.txt ./
RUN python3 -m pip --python /opt/topicdock/bin/python3 install --constraint constraints.txt setuptools
COPY pyproject.toml LICENSE ./
COPY src ./src
# The package's long description is not read by anybody in an image, and README.md changes often.
RUN touch README.md && \
    python3 -m pip --python /opt/topicdock/bin/python3 install --no-deps --no-build-isolation --prefix /package .


FROM $BASE
LABEL com.amazonaws.sagemaker.capabilities.accept-bind-to-port=true \
      com.amazonaws.sagemaker.capabilities.multi-models=true \
      org.opencontainers.image.title=topicdock \
      org.opencontainers.image.licenses=Apache-2.0
# Unbuffered, or CloudWatch would see metrics late; no bytecode written, so that a read-only file system is enough.
ENV PATH=/opt/topicdock/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=dependencies /opt/topicdock /opt/topicdock
COPY --from=package /package /opt/topicdock
COPY container/entrypoint container/train container/serve /usr/local/bin/
# The algorithm of jobs that name none. With it an image stands for one of the built-in's: their jobs do not say LDA.
ARG ALGORITHM=ntm
ENV TOPICDOCK_ALGORITHM=$ALGORITHM
EXPOSE 8080
# Exec form: as the first process it gets the signals itself. There is no CMD; without an argument the image trains.
ENTRYPOINT ["/usr/local/bin/entrypoint"]
