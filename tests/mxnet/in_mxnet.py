"""What users of the built-in NTM do, run by a Python that has the real MXNet 1.9.1; its numpy predates our own.

python in_mxnet.py WHAT FOLDER        reads files of FOLDER and leaves others there
"""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import mxnet as mx
import numpy as np


def notebook(folder: Path) -> None:
    """Run the cells of Amazon's notebook: read the topics from an unzipped model, and weigh each topic's words."""
    model = mx.ndarray.load(str(folder / "params"))
    weights = model["arg:projection_weight"]
    num_topics = weights.shape[1]
    words = np.stack([mx.nd.softmax(mx.nd.array(weights[:, topic])).asnumpy() for topic in range(num_topics)])
    np.savez(folder / "notebook.npz", projection_weight=weights.asnumpy(), words=words)
    shape_and_type = {name: [list(array.shape), np.dtype(array.dtype).name] for name, array in model.items()}
    (folder / "notebook.json").write_text(json.dumps(shape_and_type))


def clouds(folder: Path) -> None:
    """Run the notebook's last cells on a model as it lies in model.tar.gz: unzip it, and weigh each cloud's words."""
    with zipfile.ZipFile(folder / "model_algo-1") as archive:
        archive.extractall(folder)
    weights = mx.ndarray.load(str(folder / "params"))["arg:projection_weight"]
    frequencies = [mx.nd.softmax(mx.nd.array(weights[:, topic])).asnumpy() for topic in range(weights.shape[1])]
    np.savez(folder / "clouds.npz", projection_weight=weights.asnumpy(), frequencies=np.stack(frequencies))


def symbol(folder: Path) -> None:
    """Bind ``symbol.json`` with ``params`` and feed it the documents of ``counts.npy``."""
    graph = mx.sym.load(str(folder / "symbol.json"))
    counts = np.load(folder / "counts.npy")
    named = {name.partition(":")[2]: array for name, array in mx.nd.load(str(folder / "params")).items()}
    arguments = {name: named[name] for name in graph.list_arguments() if name != "data"}
    executor = graph.bind(mx.cpu(), {"data": mx.nd.array(counts), **arguments})
    outputs = executor.forward(is_train=False)
    np.savez(folder / "symbol.npz", outputs[0].asnumpy())
    (folder / "symbol.txt").write_text("\n".join(graph.list_outputs()))


def module(folder: Path) -> None:
    """Load the same files as MXNet's Module does, which needs the graph to infer every shape from that of the data."""
    graph = mx.sym.load(str(folder / "symbol.json"))
    counts = np.load(folder / "counts.npy")
    arguments = {name.partition(":")[2]: array for name, array in mx.nd.load(str(folder / "params")).items()}
    loaded = mx.mod.Module(graph, data_names=["data"], label_names=None)
    loaded.bind(data_shapes=[("data", counts.shape)], for_training=False)
    loaded.set_params(arguments, {}, allow_extra=True)
    loaded.forward(mx.io.DataBatch([mx.nd.array(counts)]), is_train=False)
    np.savez(folder / "module.npz", loaded.get_outputs()[0].asnumpy())


def read_lda(folder: Path) -> None:
    """Read alpha and beta as Amazon's LDA notebook does."""
    alpha, beta = mx.ndarray.load(str(folder / "model_algo-1"))
    np.savez(folder / "read.npz", alpha=alpha.asnumpy(), beta=beta.asnumpy())


def edit_lda(folder: Path) -> None:
    """Do what Amazon documents for LDA: read ``model_algo-1``, change it, and save it again; keep what was read."""
    alpha, beta = mx.ndarray.load(str(folder / "model_algo-1"))
    np.savez(folder / "read.npz", alpha=alpha.asnumpy(), beta=beta.asnumpy())
    edited = mx.nd.concat(mx.nd.mean(beta[:2], axis=0, keepdims=True), beta[2:], dim=0)
    mx.nd.save(str(folder / "model_algo-1"), [alpha[1:], edited])


def save(folder: Path) -> None:
    """Write files with ``mx.nd.save``, and beside them what they hold."""
    generator = np.random.RandomState(0)
    dense = {
        "arg:float32": generator.randn(3, 4).astype("float32"),
        "arg:float64": generator.randn(5),
        "aux:int32": generator.randint(-9, 9, (2, 2, 2)).astype("int32"),
        "aux:int64": generator.randint(-9, 9, (4,)).astype("int64"),
        "arg:float16": generator.randn(3, 1).astype("float16"),
        "arg:uint8": generator.randint(0, 9, (6,)).astype("uint8"),
    }
    arrays = {name: mx.nd.array(array, dtype=array.dtype) for name, array in dense.items()}
    mx.nd.save(str(folder / "dict"), arrays)
    mx.nd.save(str(folder / "list"), list(arrays.values()))
    np.savez(folder / "dense.npz", *dense.values())
    (folder / "names.json").write_text(json.dumps(list(dense)))
    holes = (generator.randn(6, 5) * (generator.rand(6, 5) < 0.3)).astype("float32")
    holes[2] = 0
    sparse = {storage: mx.nd.array(holes).tostype(storage) for storage in ("csr", "row_sparse")}
    mx.nd.waitall()  # mx.nd.save writes the stored shape before it waits for the conversion, and then a wrong one
    mx.nd.save(str(folder / "sparse"), sparse)
    np.save(folder / "holes.npy", holes)


def load(folder: Path) -> None:
    """Read a list file that we wrote."""
    np.savez(folder / "loaded.npz", *[array.asnumpy() for array in mx.nd.load(str(folder / "ours"))])


if __name__ == "__main__":
    programs = (notebook, clouds, symbol, module, read_lda, edit_lda, save, load)
    {program.__name__: program for program in programs}[sys.argv[1]](Path(sys.argv[2]))
