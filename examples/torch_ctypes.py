#!/usr/bin/env python3
"""ssugraph from Python: ctypes for the calls, DLPack for PyTorch's tensors.

    examples/torch_ctypes.py [--target cuda|host] [PATH/libssugraph.so]

The library comes from the argument, else from SSUGRAPH_LIBRARY. Runs one Mamba-2 layer once by
itself, then as a lane replayed for several batches, then (CUDA) recorded into a torch.cuda.graph,
and compares each with a float64 evaluation. Exits with 77 where PyTorch or the GPU is missing.
"""

import argparse
import ctypes as c
import os
import sys

try:
    import torch
except ImportError:
    print("torch_ctypes: skipped: PyTorch is missing")
    sys.exit(77)

ARGS = "state x dt A B C D z dt_bias out".split()
INDICES = "state_batch_indices dst_state_batch_indices num_accepted_tokens cu_seqlens".split()


class Config(c.Structure):
    _fields_ = [("struct_size", c.c_size_t), ("backend", c.c_char_p), ("algorithm", c.c_char_p),
                ("stochastic_rounding", c.c_int32), ("philox_rounds", c.c_int32)]


class SsuArgs(c.Structure):
    _fields_ = ([("struct_size", c.c_size_t), ("null_block_id", c.c_int64),
                 ("max_seqlen", c.c_int64), ("dt_softplus", c.c_int32),
                 ("has_null_block", c.c_int32)] +
                [(name, c.c_void_p) for name in ARGS + INDICES + ["rand_seed"]])


class Library:
    """Functions of the shared library; a status other than success becomes an exception."""

    def __init__(self, path):
        self.functions = c.CDLL(path)
        self.functions.ssugraph_last_error.restype = c.c_char_p

    def __getattr__(self, name):
        function = getattr(self.functions, "ssugraph_" + name)

        def call(*arguments):
            # ctypes would pass the lower half of it.
            if any(isinstance(a, int) and not -2**31 <= a < 2**31 for a in arguments):
                raise TypeError(name + ": a number beyond 32 bits: wrap pointers and sizes")
            if function(*arguments) != 0:
                raise RuntimeError(self.functions.ssugraph_last_error().decode())

        return call


def dl_tensor(tensor, kept):
    """Address of the tensor's DLTensor, the first member of what the capsule in `kept` holds."""
    tensor = tensor.detach()  # a parameter, too: what requires a gradient is not exported
    # -1: no wait, for the caller's streams are in order.
    capsule = tensor.__dlpack__(stream=-1) if tensor.is_cuda else tensor.__dlpack__()
    kept.append(capsule)
    pointer = c.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = c.c_void_p, [c.py_object, c.c_char_p]
    return pointer(capsule, b"dltensor")


def ssu_args(tensors):
    """The struct of a call; the capsules that it refers to, until the call has returned."""
    kept = []
    args = SsuArgs(struct_size=c.sizeof(SsuArgs), dt_softplus=1)
    for name, tensor in tensors.items():
        setattr(args, name, dl_tensor(tensor, kept))
    return args, kept


def layer(device, rows, slots=16, nheads=4, dim=64, dstate=128, ngroups=2):
    """The tensors of one layer for `rows` sequences, by the names of the operation."""
    def random(*shape, dtype=torch.bfloat16):
        return torch.randn(*shape, device=device).to(dtype)

    # Mamba-2: one A, dt and dt_bias a head, which stride 0 expands. x, B and C are slices of one
    # row of a convolution.
    row = random(rows, nheads * dim + 2 * ngroups * dstate)
    x, B, C = row.split([nheads * dim, ngroups * dstate, ngroups * dstate], dim=1)
    A = torch.nn.Parameter(-torch.rand(nheads, device=device))
    dt_bias = torch.nn.Parameter(random(nheads, dtype=torch.float32))
    return {
        "state": random(slots, nheads, dim, dstate),
        "x": x.view(rows, nheads, dim),
        "dt": random(rows, nheads)[:, :, None].expand(rows, nheads, dim),
        "A": A[:, None, None].expand(nheads, dim, dstate),
        "B": B.view(rows, ngroups, dstate),
        "C": C.view(rows, ngroups, dstate),
        "D": torch.nn.Parameter(random(nheads, dim, dtype=torch.float32)),
        "dt_bias": dt_bias[:, None].expand(nheads, dim),
        "out": torch.zeros(rows, nheads, dim, device=device, dtype=torch.bfloat16),
        "state_batch_indices": torch.randperm(slots, device=device)[:rows].to(torch.int32),
    }


@torch.no_grad()
def evaluate(tensors, batch):
    """(slots, state, out) that a step of the first `batch` sequences gives, in float64."""
    t = {name: tensor.double() for name, tensor in tensors.items() if name in ARGS}
    slots = tensors["state_batch_indices"][:batch].long()
    heads_a_group = t["x"].shape[1] // t["B"].shape[1]
    B, C = (t[name][:batch].repeat_interleave(heads_a_group, 1)[:, :, None] for name in "BC")
    dt = torch.nn.functional.softplus(t["dt"][:batch] + t["dt_bias"])[..., None]
    x = t["x"][:batch]
    state = t["state"][slots] * torch.exp(t["A"] * dt) + dt * x[..., None] * B
    return slots, state, (state * C).sum(-1) + t["D"] * x


def expect(what, tensors, batch, expected):
    """Fails unless state and out are `expected` but for their rounding to bfloat16."""
    slots, state, out = expected
    for name, got, want in [("state", tensors["state"][slots], state),
                            ("out", tensors["out"][:batch], out)]:
        error = ((got.double() - want).abs() / want.abs().max()).max().item()
        print(f"{what}, batch {batch}: {name} within {error:.1e}")
        if not error < 2**-8:
            sys.exit(f"{name}: expected what float64 gives")
    if tensors["out"][batch:].count_nonzero() != 0:
        sys.exit("out: expected zero rows behind the batch")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", choices=["cuda", "host"], default="cuda")
    parser.add_argument("library", nargs="?", default=os.environ.get("SSUGRAPH_LIBRARY"))
    options = parser.parse_args()
    on_gpu = options.target == "cuda"
    if on_gpu and not torch.cuda.is_available():
        print("torch_ctypes: skipped: no CUDA device")
        sys.exit(77)
    if not options.library:
        sys.exit("torch_ctypes: expected the path of libssugraph.so, got nothing")
    lib = Library(options.library)
    torch.manual_seed(1)
    stream = torch.cuda.Stream() if on_gpu else None
    raw_stream = c.c_void_p(stream.cuda_stream if on_gpu else None)
    tensors = layer("cuda" if on_gpu else "cpu", rows=8)

    def finish():
        if on_gpu:
            torch.cuda.synchronize()

    config = Config(struct_size=c.sizeof(Config), backend=b"native" if on_gpu else b"reference")
    args, kept = ssu_args(tensors)
    expected = evaluate(tensors, 8)
    finish()
    lib.selective_state_update(c.byref(config), c.byref(args), raw_stream)
    finish()
    expect("eager", tensors, 8, expected)

    builder, pipeline, lane = c.c_void_p(), c.c_void_p(), c.c_void_p()
    buckets = (c.c_int32 * 2)(4, 8)
    lib.builder_create(c.byref(config), buckets, c.c_size_t(2), 0 if on_gpu else 1,
                       c.byref(builder))
    lib.builder_ssu(builder, b"layer", c.byref(args), None)
    lib.builder_build(builder, c.byref(pipeline))
    lib.pipeline_make_lane(pipeline, None, c.c_size_t(0), raw_stream, c.byref(lane))
    for batch in [3, 8, 1, 6]:
        tensors["out"].zero_()
        expected = evaluate(tensors, batch)
        finish()
        lib.lane_replay(lane, batch, raw_stream)
        finish()
        expect("replayed", tensors, batch, expected)

    if on_gpu:
        live = torch.zeros(1, device="cuda", dtype=torch.int32)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            capturing = c.c_void_p(torch.cuda.current_stream().cuda_stream)
            lib.lane_record(lane, 8, c.c_void_p(live.data_ptr()), capturing)
        for batch in [5, 8, 2]:
            expected = evaluate(tensors, batch)
            live.fill_(batch)
            finish()
            graph.replay()
            finish()
            expect("recorded into torch's graph", tensors, batch, expected)
        del graph  # before the lane, whose memory it uses

    lib.lane_destroy(lane)
    lib.pipeline_destroy(pipeline)
    lib.builder_destroy(builder)


main()
