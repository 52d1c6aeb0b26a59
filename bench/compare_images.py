#!/usr/bin/env python3
"""Compares how many augmented pictures a second one core makes with torchvision, taking turns.

    bench/compare_images.py [--torch-python PYTHON] [--bench build/release/bench/images] [--seconds 1] [--rounds 4] [CASE ...]

torchvision gets each case as its documentation has it: transforms.v2 on uint8 tensors for arrays, a folder of JPEG files read by Pillow or by
torchvision.io, whichever is faster, pictures made one by one and stacked to batches, in one thread. Prints pictures a second of processor time and
our figure over theirs (above 1: ours is faster).
"""
import argparse
import os
import subprocess
import tempfile
import time

from turns import geometric_mean, go_on_under

MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
PICTURES, CLASSES = 48, 4


def make_pictures(folder):
    """Photographs of nothing: smooth colours with some grain, 500 by 375, as ImageNet's are on the mean."""
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(1)
    for i in range(PICTURES):
        small = random.integers(0, 256, (12, 16, 3), dtype=numpy.uint8)
        big = numpy.asarray(Image.fromarray(small).resize((500, 375), Image.BICUBIC), dtype=numpy.float32)
        grain = random.normal(0, 8, big.shape)
        path = os.path.join(folder, f"class{i % CLASSES}")
        os.makedirs(path, exist_ok=True)
        Image.fromarray(numpy.clip(big + grain, 0, 255).astype(numpy.uint8)).save(os.path.join(path, f"{i:03}.jpg"), quality=90)


def pipelines(torch, folder):
    """By case: functions that make one epoch, and return how many pictures that was."""
    from PIL import Image
    from torchvision import io
    from torchvision.transforms import v2

    finish = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, DEVIATION)]
    crop = [v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip()]
    resized = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]

    def from_arrays(rows, side, batch, changes):
        pixels = torch.randint(0, 256, (rows, 3, side, side), dtype=torch.uint8)
        transform = v2.Compose(changes + finish)

        def epoch():
            order = torch.randperm(rows).tolist()
            for at in range(0, rows, batch):
                torch.stack([transform(pixels[i]) for i in order[at:at + batch]])
            return rows
        return epoch

    paths = [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in sorted(names)]

    def from_files(read, changes, batch=32):
        transform = v2.Compose(changes + finish)

        def epoch():
            for at in range(0, len(paths), batch):
                torch.stack([transform(read(path)) for path in paths[at:at + batch]])
            return len(paths)
        return epoch

    def by_io(path):
        return io.decode_jpeg(io.read_file(path), mode=io.ImageReadMode.RGB)

    def by_pillow(path):
        return Image.open(path).convert("RGB")

    jitter = v2.ColorJitter(0.4, 0.4, 0.4)
    fit = [v2.Resize((224, 224), antialias=True)]
    return {
        "small": [from_arrays(512, 32, 128, crop)],
        "colours": [from_arrays(512, 32, 128, crop + [jitter])],
        "large": [from_arrays(128, 224, 32, resized)],
        "jpeg": [from_files(by_io, resized), from_files(by_pillow, resized + [v2.ToImage()])],
        "fitted": [from_files(by_io, fit), from_files(by_pillow, fit + [v2.ToImage()])],
    }


def theirs_best(epochs, seconds):
    """Pictures a second, the best epoch of the best way."""
    best = 0
    for epoch in epochs:
        start = time.thread_time()
        now, done = start, 0
        while now - start < seconds / len(epochs) or done < 1:
            count = epoch()
            end = time.thread_time()
            best, now, done = max(best, count / (end - now)), end, done + 1
    return best


def ours_best(bench, name, seconds, folder):
    line = subprocess.run([bench, "--seconds", str(seconds), "--pictures", folder, name], check=True, stdout=subprocess.PIPE, text=True).stdout
    return float(line.split()[1])


def compare(options, folder):
    import torch
    import torchvision

    torch.set_num_threads(1)
    make_pictures(folder)
    ratios = []
    print(f"{'case':<10}{'ours /s':>12}{'theirs /s':>12}{'ratio':>8}   (torchvision {torchvision.__version__}, torch {torch.__version__})")
    for name, epochs in pipelines(torch, folder).items():
        if options.cases and name not in options.cases:
            continue
        ours, theirs, part = 0, 0, options.seconds / options.rounds
        for _ in range(options.rounds):
            ours = max(ours, ours_best(options.bench, name, part, folder))
            theirs = max(theirs, theirs_best(epochs, part))
        ratios.append(ours / theirs)
        print(f"{name:<10}{ours:12.1f}{theirs:12.1f}{ours / theirs:8.2f}", flush=True)
    print(f"geometric mean {geometric_mean(ratios):.2f}, worst {min(ratios):.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="the Python that has torchvision, if not this one")
    parser.add_argument("--bench", default="build/release/bench/images")
    parser.add_argument("--seconds", type=float, default=1, help="for each side and case")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    go_on_under(options.torch_python, __file__)
    with tempfile.TemporaryDirectory() as folder:
        compare(options, folder)


if __name__ == "__main__":
    main()
