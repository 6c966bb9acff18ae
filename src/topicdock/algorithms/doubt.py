"""How much words leave open which topic they are of, and the closed-form gradient of that.

Word v is of topic k with a probability p_vk proportional to beta_kv u_k, where u_k is how common the topic is. With the
words' frequencies f and H_v = -sum_k p_vk log p_vk,

    doubt = sum_v f_v H_v
    d doubt / d log beta_kv = -f_v p_vk (log p_vk + H_v) = g_vk
    d doubt / d logits_vk = g_vk - beta_kv sum_v' g_v'k

Step by step, autograd would keep nine blocks of (V, K), more than all else that a step takes of a large vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from topicdock.algorithms.threads import side_by_side, threads_for

_BLOCK_NUMBERS = 1 << 16
"""Of words and topics in a block that is judged at a time, in a core's cache."""


def doubt(logits: Tensor, usage: Tensor, frequencies: Tensor, normalise: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the mean over words of the entropy of p(topic | word), in nats, a scalar.

    Parameters
    ----------
    logits : Tensor, shape (V, K)
        Of which the softmax over words is beta transposed; the only ones to be learned.
    usage : Tensor, shape (K,)
        How common each topic is.
    frequencies : Tensor, shape (V,)
        Of the words; they sum to 1.
    normalise : callable
        The logarithm of the softmax over words.
    """
    return _Doubt.apply(logits, usage, frequencies, normalise)  # type: ignore[no-any-return, no-untyped-call]


class _Doubt(torch.autograd.Function):
    @staticmethod
    def forward(
        context: Any, logits: Tensor, usage: Tensor, frequencies: Tensor, normalise: Callable[[Tensor], Tensor]
    ) -> Tensor:
        with threads_for(logits.numel()):
            log_beta = normalise(logits)
        log_usage = torch.log(usage + 1e-9)
        entropy, gradient = torch.empty_like(frequencies), torch.empty_like(log_beta)

        @torch.no_grad()
        def judge(words: slice) -> None:
            log_topic = torch.log_softmax(log_beta[words] + log_usage, 1)
            topic = log_topic.exp()
            entropy[words] = -(topic * log_topic).sum(1)
            weights = topic.mul_(-frequencies[words].unsqueeze(1))
            torch.mul(log_topic.add_(entropy[words].unsqueeze(1)), weights, out=gradient[words])

        step = max(1, _BLOCK_NUMBERS // logits.shape[1]) if logits.device.type == "cpu" else len(logits)
        blocks = [slice(start, start + step) for start in range(0, len(logits), step)]
        side_by_side([partial(judge, words) for words in blocks], logits.numel())
        context.gradient = gradient.sub_(log_beta.exp_().mul_(gradient.sum(0)))
        return (frequencies * entropy).sum()

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        gradient = context.gradient
        del context.gradient  # it is of use but once, and so changed in place
        return gradient.mul_(gradients[0]), None, None, None
