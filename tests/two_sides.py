"""What would go wrong on a GPU, found without one: the CPU is the device, and a tensor is told by where it belongs.

A tensor belongs to the device if it was made there by name (``device=``), or from one that does. Two things are errors:
an operation on tensors of both sides, but for single numbers of the host; and a question to the device, for which a
real one would have to be waited for.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

_QUESTIONS = {
    "_local_scalar_dense",
    "nonzero",
    "masked_select",
    "equal",
    "_unique2",
    "unique_dim",
    "is_nonzero",
    "item",
}


class TwoSides(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """While in this context, watches every operation.

    Parameters
    ----------
    belonging : iterable of Tensor
        What is on the device to begin with.
    """

    def __init__(self, belonging: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._there: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._named = _NamedDevice(self)
        self.operations = 0
        for tensor in belonging:
            self.put(tensor)

    def __enter__(self) -> TwoSides:
        super().__enter__()  # type: ignore[no-untyped-call]
        self._named.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        self._named.__exit__(*error)  # type: ignore[no-untyped-call]
        super().__exit__(*error)  # type: ignore[no-untyped-call]

    def put(self, tensor: Tensor) -> Tensor:
        """Let a tensor belong to the device."""
        storage = tensor.untyped_storage()
        self._there[storage._cdata] = storage
        tensor._two_sides = storage  # type: ignore[attr-defined]  # alive as long as the tensor
        return tensor

    def belongs(self, tensor: Tensor) -> bool:
        """Return whether a tensor is on the device."""
        return tensor.untyped_storage()._cdata in self._there

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, Tensor)]
        there = [tensor for tensor in tensors if self.belongs(tensor)]
        here = [tensor for tensor in tensors if not self.belongs(tensor)]
        name = function._schema.name.removeprefix("aten::")
        if there and name in _QUESTIONS:
            raise AssertionError(f"{name} waits for the device")
        if there and any(tensor.dim() for tensor in here):
            raise AssertionError(f"{name} takes tensors of both sides")
        if there and here and name == "_fused_adam_":
            raise AssertionError("the fused kernel takes all its tensors from one side")
        result = function(*args, **kwargs)
        if there:
            self.operations += 1
            for tensor in (value for value in tree_flatten(result)[0] if isinstance(value, Tensor)):
                self.put(tensor)
        return result


class _NamedDevice(TorchFunctionMode):
    """Lets what is made with ``device=`` belong to the device; below this level, everything is made with one."""

    def __init__(self, sides: TwoSides) -> None:
        super().__init__()
        self._sides = sides

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if kwargs and kwargs.get("device") is not None and isinstance(result, Tensor):
            self._sides.put(result)
        return result
