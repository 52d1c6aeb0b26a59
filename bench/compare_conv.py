#!/usr/bin/env python3
"""Compares convolution and its gradients with PyTorch's (oneDNN, channels last), one thread each, taking turns.

    bench/compare_conv.py [--torch-python PYTHON] [--bench build/release/bench/conv] [--seconds 0.5] [--rounds 5] [SHAPE ...]

Prints microseconds of the thread's processor time and the ratio torch / ours for every shape (above 1: ours is faster), then the geometric
mean and the worst of each of the three.
"""
import argparse
import math
import subprocess

from turns import geometric_mean, go_on_under, torch_best

SHAPES = [  # name, batch, in, out, height, width, kernel, stride, padding, groups
    ("64", 32, 64, 64, 32, 32, 3, 1, 1, 1), ("128", 32, 128, 128, 16, 16, 3, 1, 1, 1),
    ("256", 32, 256, 256, 8, 8, 3, 1, 1, 1), ("512", 32, 512, 512, 4, 4, 3, 1, 1, 1),
    ("first", 32, 3, 64, 32, 32, 3, 1, 1, 1), ("stride2", 32, 64, 128, 32, 32, 3, 2, 1, 1),
    ("1x1", 32, 64, 256, 32, 32, 1, 1, 0, 1), ("1x1-stride2", 32, 64, 128, 32, 32, 1, 2, 0, 1),
    ("mnist1", 128, 1, 32, 28, 28, 3, 1, 0, 1), ("mnist2", 128, 32, 64, 26, 26, 3, 1, 0, 1),
    ("56", 8, 64, 64, 56, 56, 3, 1, 1, 1), ("stem", 2, 3, 64, 224, 224, 7, 2, 3, 1),
    ("depthwise", 8, 96, 96, 56, 56, 3, 1, 1, 96), ("groups", 8, 128, 128, 28, 28, 3, 1, 1, 32),
    ("one-64", 1, 64, 64, 32, 32, 3, 1, 1, 1), ("one-512", 1, 512, 512, 4, 4, 3, 1, 1, 1),
]
OPS = ["forward", "to input", "to weight"]


def torch_run(torch, shape, op):
    """A function that computes the op once."""
    batch, channels, out, height, width, kernel, stride, padding, groups = shape
    last = torch.channels_last
    x = torch.randn(batch, channels, height, width).to(memory_format=last)
    weight = torch.randn(out, channels // groups, kernel, kernel).to(memory_format=last)
    y = torch.nn.functional.conv2d(x, weight, None, stride, padding, 1, groups)
    g = torch.randn_like(y).to(memory_format=last)
    if op == 0:
        return lambda: torch.nn.functional.conv2d(x, weight, None, stride, padding, 1, groups)
    wanted = [op == 1, op == 2, False]
    return lambda: torch.ops.aten.convolution_backward(
        g, x, weight, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], groups, wanted)


def ours_best(server, shape, op, seconds):
    server.stdin.write(" ".join(map(str, [*shape, op, seconds])) + "\n")
    server.stdin.flush()
    microseconds, name = server.stdout.readline().split(maxsplit=1)
    return float(microseconds), name.strip()


def compare(options):
    import torch

    torch.set_num_threads(1)
    server = subprocess.Popen([options.bench, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ratios = {op: [] for op in OPS}
    print(f"{'shape':<13}{'op':<11}{'ours us':>12}{'torch us':>12}{'ratio':>8}  kernel")
    for name, *shape in SHAPES:
        if options.shapes and name not in options.shapes:
            continue
        for op, title in enumerate(OPS):
            run = torch_run(torch, shape, op)
            ours, theirs, part = math.inf, math.inf, options.seconds / options.rounds
            for _ in range(options.rounds):
                microseconds, kernel = ours_best(server, shape, op, part)
                ours, theirs = min(ours, microseconds), min(theirs, torch_best(run, part))
            ratios[title].append(theirs / ours)
            print(f"{name:<13}{title:<11}{ours:12.1f}{theirs:12.1f}{theirs / ours:8.2f}  {kernel}", flush=True)
    for title, of in ratios.items():
        if of:
            print(f"{title}: geometric mean {geometric_mean(of):.3f}, worst {min(of):.3f} (torch {torch.__version__})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="the Python that has PyTorch, if not this one")
    parser.add_argument("--bench", default="build/release/bench/conv")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each side, shape and op")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("shapes", nargs="*")
    options = parser.parse_args()
    go_on_under(options.torch_python, __file__)
    compare(options)


if __name__ == "__main__":
    main()
