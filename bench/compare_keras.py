#!/usr/bin/env python3
"""Times the main job as whole processes, in turns: `cajal train recipes/mnist-mlp.yaml` and the same script in Keras on JAX.

    bench/compare_keras.py --keras-python PYTHON [--backend jax] [--rounds 3] [--cajal build/release/cajal]

MNIST comes from $CAJAL_DATA/mnist for both. Prints seconds from start to exit, peak memory and test accuracy of the best run of
each, and the ratio of the times (above 1: Cajal is faster). Keras does not write a checkpoint or a report; Cajal does.
"""
import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def idx(name, header):
    """The bytes behind an IDX file's header, packed or not."""
    path = os.path.join(os.environ["CAJAL_DATA"], "mnist", name)
    opened = open(path, "rb") if os.path.exists(path) else gzip.open(path + ".gz", "rb")
    with opened as file:
        return file.read()[header:]


def keras_job():
    """The Sequential script of Keras's tutorials, with the recipe's settings."""
    import keras
    import numpy

    def images(name):
        return numpy.frombuffer(idx(name, 16), numpy.uint8).reshape(-1, 784).astype("float32") / 255

    def labels(name):
        return numpy.frombuffer(idx(name, 8), numpy.uint8).astype("int32")

    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((784,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(64, activation="relu"),
        keras.layers.Dense(10, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images("train-images-idx3-ubyte"), labels("train-labels-idx1-ubyte"), batch_size=128, epochs=5, validation_split=0.1)
    _, accuracy = model.evaluate(images("t10k-images-idx3-ubyte"), labels("t10k-labels-idx1-ubyte"), verbose=0)
    print(json.dumps({"test": {"accuracy": accuracy}}))


def measured(command, environment):
    """Seconds, peak KB and accuracy of one process; its last line, or its whole output, is one JSON object."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        output.seek(0)
        text = output.read()
    if status:
        sys.exit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss, json.loads(text[text.rindex('\n{') if '\n{' in text else 0:])["test"]["accuracy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras-python", default=sys.executable)
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cajal", default=os.path.join(ROOT, "build/release/cajal"))
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        return keras_job()
    if "CAJAL_DATA" not in os.environ:
        sys.exit("CAJAL_DATA must name the folder that holds mnist/")
    runs = {"cajal": [], "keras": []}
    with tempfile.TemporaryDirectory() as folder:
        for round_ in range(options.rounds):
            ours = [options.cajal, "train", os.path.join(ROOT, "recipes/mnist-mlp.yaml"), "--json", "--output", f"{folder}/{round_}"]
            theirs = [options.keras_python, os.path.abspath(__file__), "--job"]
            runs["cajal"].append(measured(ours, dict(os.environ)))
            runs["keras"].append(measured(theirs, dict(os.environ, KERAS_BACKEND=options.backend)))
    for name, values in runs.items():
        seconds, memory, accuracy = min(values)
        print(f"{name:6} {seconds:7.2f} s  {memory / 1024:7.1f} MB  accuracy {100 * accuracy:.2f} %")
    print(f"ratio  {min(runs['keras'])[0] / min(runs['cajal'])[0]:7.2f}  (Keras on {options.backend} over Cajal)")


main()
