#!/usr/bin/env python3
"""The reference workloads in PyTorch (or ONNX Runtime), fp32 on the CPU, timed as build/release/bench/workloads times them.

    bench/torch_workloads.py NAME [--threads N] [--seconds S] [--eval] [--batch N] [--save-init FILE]
                             [--precision highest|high|medium] [--onnx] [--compile] [--channels-last] [--profile]

NAME: mlp, cnn, resnet18, lstm, gpt. Prints one line: threads, parameters, steps, best and median microseconds of a
step, a loss that proves the work (in training after ten updates, and after one; with --eval that of the output), and the most memory
it took above what importing left.
--save-init writes the initial weights and the batch (batch.x, batch.y) as safetensors, for workloads --init.
--precision medium is autocast to bf16. --onnx (with --eval) exports the same weights and runs ONNX Runtime.
"""
import argparse
import functools
import io
import json
import math
import time
import warnings

import torch
import torch.nn.functional as F
from torch import nn

def resident(field):
    """A figure of /proc/self/status in megabytes; 0 where there is none."""
    try:
        with open("/proc/self/status") as status:
            return next((int(line.split()[1]) / 1024 for line in status if line.startswith(field)), 0)
    except OSError:
        return 0


# --- the networks ---------------------------------------------------------------------------------------


def mlp():
    """784-64-64-10"""
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn():
    """Two convolutions without padding on 28x28, one pooling, one hidden layer."""
    return nn.Sequential(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(64 * 12 * 12, 128), nn.ReLU(), nn.Linear(128, 10))


class ResidualBlock(nn.Module):
    def __init__(self, width_in, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = nn.Identity()
        if stride != 1 or width_in != width:
            self.downsample = nn.Sequential(nn.Conv2d(width_in, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """For CIFAR: a 3x3 stem and no pooling before the blocks; 11.2 million parameters."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        width = 64
        for stage, (next_width, stride) in enumerate([(64, 1), (128, 2), (256, 2), (512, 2)], 1):
            blocks = [ResidualBlock(width, next_width, stride), ResidualBlock(next_width, next_width, 1)]
            setattr(self, f"layer{stage}", nn.Sequential(*blocks))
            width = next_width
        self.fc = nn.Linear(512, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class CharacterLSTM(nn.Module):
    """Embedding, two LSTM layers of 256, a projection to 65 characters."""

    def __init__(self, characters=65, width=256, layers=2):
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, width, layers, batch_first=True)
        self.output = nn.Linear(width, characters)

    def forward(self, x):
        return self.output(self.lstm(self.embedding(x))[0])


class TransformerBlock(nn.Module):
    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.ln_1 = nn.LayerNorm(width)
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)
        self.ln_2 = nn.LayerNorm(width)
        self.c_fc = nn.Linear(width, 4 * width)
        self.mlp_proj = nn.Linear(4 * width, width)
        self.register_buffer("future", torch.ones(length, length, dtype=torch.bool).triu(1), persistent=False)

    def attention(self, x):
        rows, length, width = x.shape
        split = [t.view(rows, length, self.heads, width // self.heads).transpose(1, 2)
                 for t in self.c_attn(x).split(width, 2)]
        query, key, value = split
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        weights = scores.masked_fill(self.future[:length, :length], -math.inf).softmax(-1)
        return self.c_proj((weights @ value).transpose(1, 2).reshape(rows, length, width))

    def forward(self, x):
        x = x + self.attention(self.ln_1(x))
        return x + self.mlp_proj(F.gelu(self.c_fc(self.ln_2(x))))


class GPT(nn.Module):
    """Six blocks of six heads, width 384, 256 characters of context; the output shares the embedding's weights."""

    def __init__(self, characters=65, width=384, layers=6, heads=6, length=256):
        super().__init__()
        self.wte = nn.Embedding(characters, width)
        self.wpe = nn.Embedding(length, width)
        self.h = nn.Sequential(*[TransformerBlock(width, heads, length) for _ in range(layers)])
        self.ln_f = nn.LayerNorm(width)
        self.lm_head = nn.Linear(width, characters, bias=False)
        self.wte.weight = self.lm_head.weight

    def forward(self, x):
        x = self.wte(x) + self.wpe(torch.arange(x.shape[1]))
        return self.lm_head(self.ln_f(self.h(x)))


# --- the workloads: network, batch in training, example, shape of an example's labels, classes, optimizer --------

ADAM = functools.partial(torch.optim.Adam, lr=1e-3)
ADAMW = functools.partial(torch.optim.AdamW, lr=1e-3)
SGD = functools.partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=5e-4)


def normal(*shape):
    return lambda batch: torch.randn(batch, *shape)


def characters(length):
    return lambda batch: torch.randint(65, (batch, length))


WORKLOADS = {
    "mlp": (mlp, 128, normal(784), (), 10, ADAM),
    "cnn": (cnn, 128, normal(1, 28, 28), (), 10, ADAM),
    "resnet18": (ResNet18, 32, normal(3, 32, 32), (), 10, SGD),
    "lstm": (CharacterLSTM, 32, characters(64), (64,), 65, ADAM),
    "gpt": (GPT, 8, characters(256), (256,), 65, ADAMW),
}

# --- files -------------------------------------------------------------------------------------------------


def save_safetensors(path, tensors):
    """https://github.com/huggingface/safetensors#format; whole numbers as i32."""
    types = {torch.float32: "F32", torch.int32: "I32"}
    header, parts, offset = {}, [], 0
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        tensor = tensor.to(torch.int32) if tensor.dtype == torch.int64 else tensor
        data = tensor.numpy().tobytes()
        header[name] = {"dtype": types[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
        parts.append(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text + b"".join(parts))


# --- measuring -----------------------------------------------------------------------------------------------


def loss_of(output, labels):
    return F.cross_entropy(output.float().reshape(-1, output.shape[-1]), labels.reshape(-1))


def onnx_session(network, x, threads):
    import onnxruntime

    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):  # the newer exporter wants one more package
        torch.onnx.export(network, (x,), file, dynamo=False, input_names=["x"], output_names=["logits"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])


def inference(options, network, x):
    """A function that runs the network once and gives its output."""
    network.eval()
    if options.onnx:
        session, feed = onnx_session(network, x, options.threads), {"x": x.numpy()}
        return lambda: torch.from_numpy(session.run(None, feed)[0])
    network = torch.compile(network) if options.compile else network

    def run():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "medium"):
            return network(x)

    return run


def training(options, network, make_optimizer, x, y):
    """A function that does one training step and gives the loss before its update."""
    optimizer = make_optimizer(network.parameters())
    network = torch.compile(network) if options.compile else network

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=options.precision == "medium"):
            output = network(x)
        loss = loss_of(output, y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def time_steps(run, seconds):
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)


def profile(run):
    activities = [torch.profiler.ProfilerActivity.CPU]
    with torch.profiler.profile(activities=activities) as recorded:
        for _ in range(3):
            run()
    print(recorded.key_averages().table(sort_by="self_cpu_time_total", row_limit=25, max_name_column_width=45))


def measure(options):
    torch.set_num_threads(options.threads)
    torch.set_float32_matmul_precision(options.precision)
    torch.manual_seed(0)
    make_network, batch, make_example, label_shape, classes, make_optimizer = WORKLOADS[options.name]
    batch = options.batch or batch
    network, x = make_network(), make_example(batch)
    y = torch.randint(classes, (batch, *label_shape))
    if options.save_init:
        named = {tensor.data_ptr(): name for name, tensor in reversed(network.state_dict().items())}  # tied weights once
        state = {name: tensor for name, tensor in network.state_dict().items()
                 if tensor.dtype == torch.float32 and named[tensor.data_ptr()] == name}
        save_safetensors(options.save_init, {**state, "batch.x": x, "batch.y": y})
    if options.channels_last:
        network, x = network.to(memory_format=torch.channels_last), x.contiguous(memory_format=torch.channels_last)
    if options.eval:
        run = inference(options, network, x)
        loss = loss_of(run(), y).item()
    else:
        run = training(options, network, make_optimizer, x, y)
        losses = [run().item() for _ in range(11)]  # the eleventh step gives the loss after ten updates
        loss = losses[10]
    time_steps(run, min(options.seconds / 4, 2))
    if options.profile:
        return profile(run)
    times = time_steps(run, options.seconds)
    marks = [mark for mark in ("eval", "onnx", "compile", "channels_last") if getattr(options, mark)]
    print(f"{'-'.join([options.name, *marks])} thr {options.threads} batch {batch} "
          f"params {sum(p.numel() for p in network.parameters())} steps {len(times)} best_us {times[0] * 1e6:.2f} "
          f"median_us {times[len(times) // 2] * 1e6:.2f} loss {loss:.7f}"
          + ("" if options.eval else f" loss_after_one {losses[1]:.7f}")
          + f" peak_mb {resident('VmHWM:') - options.at_start:.1f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=WORKLOADS)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--save-init", metavar="FILE")
    parser.add_argument("--precision", choices=["highest", "high", "medium"], default="highest")
    for name in ("eval", "onnx", "compile", "channels-last", "profile"):
        parser.add_argument(f"--{name}", action="store_true")
    options = parser.parse_args()
    options.at_start = resident("VmRSS:")
    if options.onnx and not options.eval:
        parser.error("--onnx runs inference only: add --eval")
    measure(options)


if __name__ == "__main__":
    main()
