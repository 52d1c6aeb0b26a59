#!/usr/bin/env python3
"""Compares the matrix product with torch.mm, one thread each, taking turns in one run.

    bench/compare_matmul.py [--torch-python PYTHON] [--bench build/release/bench/matmul] [--seconds 0.2]
                            [--rounds 5] [--precision highest|high|medium] [GROUP ...]

Prints microseconds of the thread's processor time and the ratio torch / ours for every shape (above 1: ours is faster), then the geometric
mean and the worst. At `medium` PyTorch multiplies bf16 tensors, casts included.
"""
import argparse
import math
import subprocess

from turns import geometric_mean, go_on_under, torch_best

SHAPES = [  # group, batch, m, n, k, layouts
    ("mlp", 1, 128, 64, 784, "NT"), ("mlp", 1, 128, 64, 64, "NT"), ("mlp", 1, 128, 10, 64, "NT"),
    ("mlp", 1, 128, 64, 64, "NN"), ("mlp", 1, 128, 64, 10, "NN"), ("mlp", 1, 64, 784, 128, "TN"),
    ("mlp", 1, 64, 64, 128, "TN"), ("mlp", 1, 10, 64, 128, "TN"),
    ("square", 1, 256, 256, 256, "NN NT TN"), ("square", 1, 512, 512, 512, "NN NT TN"),
    ("square", 1, 1024, 1024, 1024, "NN NT TN"), ("square", 1, 2048, 2048, 2048, "NN NT TN"),
    ("transformer", 1, 512, 768, 768, "NN NT TN"), ("transformer", 1, 512, 3072, 768, "NN NT TN"),
    ("transformer", 1, 512, 768, 3072, "NN NT TN"), ("transformer", 1, 2048, 1152, 384, "NN NT TN"),
    ("transformer", 1, 2048, 384, 384, "NN NT TN"), ("transformer", 1, 2048, 384, 1536, "NN NT TN"),
    ("transformer", 1, 384, 1536, 2048, "TN"),
    ("attention", 48, 256, 256, 64, "NT"), ("attention", 48, 256, 64, 256, "NN"),
    ("few", 1, 1, 64, 784, "NT"), ("few", 1, 1, 64, 784, "NN"), ("few", 1, 4, 4096, 4096, "NT"),
    ("few", 1, 4, 4096, 4096, "NN"), ("few", 1, 256, 1, 64, "NT"), ("few", 1, 32, 10, 64, "NT"),
    ("logits", 1, 256, 50257, 768, "NT"),
]
PRECISIONS = ["highest", "high", "medium"]


def torch_product(torch, batch, m, n, k, layout, precision):
    """A function that computes the product once, into memory it owns."""
    a = torch.rand(batch, *((k, m) if layout[0] == "T" else (m, k))) * 2 - 1
    b = torch.rand(batch, *((n, k) if layout[1] == "T" else (k, n))) * 2 - 1
    a = a.transpose(1, 2) if layout[0] == "T" else a
    b = b.transpose(1, 2) if layout[1] == "T" else b
    c = torch.empty(batch, m, n)
    if batch == 1:
        a, b, c, multiply = a[0], b[0], c[0], torch.mm
    else:
        multiply = torch.bmm
    if precision == "medium":
        return lambda: multiply(a.to(torch.bfloat16), b.to(torch.bfloat16)).float()
    return lambda: multiply(a, b, out=c)


def ours_best(server, shape, layout, precision, seconds):
    fields = [*shape, int(layout[0] == "T"), int(layout[1] == "T"), PRECISIONS.index(precision), seconds]
    server.stdin.write(" ".join(map(str, fields)) + "\n")
    server.stdin.flush()
    microseconds, name = server.stdout.readline().split(maxsplit=1)
    return float(microseconds), name.strip()


def compare(options):
    import torch

    torch.set_num_threads(1)
    server = subprocess.Popen([options.bench, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    groups = {}
    print(f"{'group':<12}{'layout':<8}{'shape':<20}{'kernel':<23}{'ours us':>12}{'torch us':>12}{'ratio':>8}")
    for group, *shape, layouts in SHAPES:
        if options.groups and group not in options.groups:
            continue
        for layout in layouts.split():
            run = torch_product(torch, *shape, layout, options.precision)
            ours, theirs, part = math.inf, math.inf, options.seconds / options.rounds
            for _ in range(options.rounds):
                microseconds, name = ours_best(server, shape, layout, options.precision, part)
                ours, theirs = min(ours, microseconds), min(theirs, torch_best(run, part))
            groups.setdefault(group, []).append(theirs / ours)
            text = "x".join(map(str, shape))
            print(f"{group:<12}{layout:<8}{text:<20}{name.split(', f32')[0]:<23}{ours:12.1f}{theirs:12.1f}{theirs / ours:8.2f}",
                  flush=True)
    for group, ratios in groups.items():
        print(f"{group}: geometric mean {geometric_mean(ratios):.3f}, worst {min(ratios):.3f}")
    ratios = sum(groups.values(), [])
    print(f"all: geometric mean {geometric_mean(ratios):.3f}, worst {min(ratios):.3f} (torch {torch.__version__})")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="the Python that has PyTorch, if not this one")
    parser.add_argument("--bench", default="build/release/bench/matmul")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each side and shape")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=PRECISIONS, default="highest")
    parser.add_argument("groups", nargs="*")
    options = parser.parse_args()
    go_on_under(options.torch_python, __file__)
    compare(options)


if __name__ == "__main__":
    main()
