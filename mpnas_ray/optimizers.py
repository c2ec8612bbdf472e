"""The optimizers of torch, without its compiler.

With their first parameters, torch's own import ``torch._dynamo``, which is to leave their methods uncompiled. Here
nobody compiles those, and the import takes each process that trains longer than the import of torch itself.
"""

from __future__ import annotations

from inspect import unwrap

import torch

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


class _Uncompiled(torch.optim.Optimizer):
    add_param_group = unwrap(torch.optim.Optimizer.add_param_group)
    zero_grad = unwrap(torch.optim.Optimizer.zero_grad)
    state_dict = unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = unwrap(torch.optim.Optimizer.load_state_dict)


class SGD(_Uncompiled, torch.optim.SGD):
    """`torch.optim.SGD`, not to be differentiated through."""

    step = torch.no_grad()(unwrap(torch.optim.SGD.step))


class Adam(_Uncompiled, torch.optim.Adam):
    """`torch.optim.Adam`, not to be differentiated through."""

    step = torch.no_grad()(unwrap(torch.optim.Adam.step))


class AdamW(_Uncompiled, torch.optim.AdamW):
    """`torch.optim.AdamW`, not to be differentiated through."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class RMSprop(_Uncompiled, torch.optim.RMSprop):
    """`torch.optim.RMSprop`, not to be differentiated through."""

    step = torch.no_grad()(unwrap(torch.optim.RMSprop.step))
