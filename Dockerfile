# One image trains and serves. Needs nothing beyond this folder: docker build -t topicdock .
#
# Layers go from what seldom changes to what often does: PyTorch, the other dependencies, topicdock itself. A change of
# topicdock's source rebuilds and pushes less than a megabyte.

FROM python:3.11-slim-bookworm AS requirements
COPY pyproject.toml constraints.txt /build/
WORKDIR /build
# Later stages see these two files, not pyproject.toml: changing the settings of a linter reinstalls nothing.
RUN python3 -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies'], sep='\n')" \
    > runtime.txt && grep '^torch==' constraints.txt > torch.txt


FROM python:3.11-slim-bookworm AS dependencies
RUN apt-get update -q && apt-get install -y -q --no-install-recommends binutils && rm -rf /var/lib/apt/lists/*
RUN python3 -m venv --without-pip /opt/topicdock
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build

# PyTorch's CPU build is a tenth of the CUDA build and comes from PyTorch's own index, unless pip is configured to find
# it elsewhere. TORCH_BUILD names another build of that index, such as cu130.
ARG TORCH_BUILD=cpu
COPY --from=requirements /build/torch.txt ./
RUN install="python3 -m pip --python /opt/topicdock/bin/python3 install --no-deps" && \
    torch="$(cat torch.txt)+$TORCH_BUILD" && \
    { $install "$torch" || $install --index-url "https://download.pytorch.org/whl/$TORCH_BUILD" "$torch"; }

COPY --from=requirements /build/runtime.txt /build/constraints.txt ./
RUN python3 -m pip --python /opt/topicdock/bin/python3 install --constraint constraints.txt -r runtime.txt setuptools

# What only developers of these packages need: tests, C++ headers and test programs, the names in the symbol tables.
RUN cd /opt/topicdock/lib/python3*/site-packages && \
    find torch/bin -type f ! -name torch_shm_manager -delete && \
    rm -rf torch/include torch/test torch/share && \
    find numpy scipy sympy networkx -depth -type d -name tests -exec rm -rf {} + && \
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
COPY pyproject.toml LICENSE ./
COPY src ./src
# The package's long description is not read by anybody in an image, and README.md changes often.
RUN touch README.md && \
    python3 -m pip --python /opt/topicdock/bin/python3 install --no-deps --no-build-isolation --prefix /package .


FROM python:3.11-slim-bookworm
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
