#!/usr/bin/env python3
"""Writes the hand-made seeds of the fuzz targets to fuzz/corpus/NAME/: small whole files of each format, and hostile
ones (sizes near 2^63, places that overlap, files cut short, NaN, archives that say they are far larger than they are).
Files that a fuzzer has found have names that begin with "found-" and are left alone. Only Python's own library is
needed; the same bytes come out each time."""

import gzip
import os
import struct
import zlib

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def put(target, name, data):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data.encode() if isinstance(data, str) else data)


def packed(data):
    return gzip.compress(data, mtime=0)


# --- IDX -----------------------------------------------------------------------------------------------------


def idx(dims, elements, kind=8):
    return bytes([0, 0, kind, len(dims)]) + b"".join(struct.pack(">I", d) for d in dims) + elements


def make_idx():
    whole = idx([5, 2, 2], bytes(range(20)))
    put("idx", "pictures", whole)
    put("idx", "labels", idx([5], bytes(range(5))))
    put("idx", "no-rows", idx([0, 2], b""))
    put("idx", "cut-short", whole[:-3])
    put("idx", "too-long", whole + b"xyz")
    put("idx", "cut-header", whole[:9])
    put("idx", "largest-dims", idx([0xFFFFFFFF] * 8, b"12345678"))
    put("idx", "near-2-63", idx([0xFFFFFFFF, 0x7FFFFFFF], b"12345678"))
    put("idx", "four-gigabytes", idx([0xFFFFFFFF], b"12345678"))
    put("idx", "floats", idx([2], struct.pack(">2f", 1, float("nan")), kind=0x0D))
    put("idx", "rank-0", bytes([0, 0, 8, 0]))
    put("idx", "rank-255", bytes([0, 0, 8, 255]))
    put("idx", "gzip", packed(whole))
    put("idx", "gzip-cut-short", packed(whole)[:-6])
    put("idx", "gzip-wrong-checksum", packed(whole)[:-8] + b"abcdefgh")
    put("idx", "gzip-two-parts", packed(whole[:10]) + packed(whole[10:]))
    put("idx", "gzip-bomb", packed(idx([0xFFFFFFFF], bytes(1 << 20))))


# --- CSV and preprocessing -----------------------------------------------------------------------------------


def make_csv():
    put("csv", "plain", "a,b,class\n1,red,x\n2.5,blue,y\n3,red,x\n,blue,y\n5,green,x\n6,,y\n")
    put("csv", "semicolons", "a;b;y\r\n1;2;3\r\n4;5;6\r\n7;8;10\r\n-1;-2;-3\r\n9;9;9\r\n")
    put("csv", "quoted", 'a,"b ""c""","x\ny"\n"1,2",3,"4"\n"",NA,?\n 5 ,nan,null\n1,1,1\n2,2,2\n')
    put("csv", "byte-order-mark", "\ufeffa,b\n1,2\n3,4\n5,6\n7,8\n9,10\n")
    put("csv", "numbers", "a,b\n1e308,-1e308\n1e-320,1e400\n0x10,inf\n1e19,9007199254740993\n-0,.5\n123456789012345,1.\n")
    put("csv", "huge-numbers", "a,b\n" + "1e300,1\n-1e300,2\n1e30,1\n-1e19,2\n9.3e18,1\n")
    put("csv", "open-quote", 'a,b\n1,"2\n3,4\n')
    put("csv", "after-quote", 'a,b\n"1"2,3\n')
    put("csv", "too-few", "a,b,c\n1,2,3\n4,5\n")
    put("csv", "named-twice", "a,b,a\n1,2,3\n")
    put("csv", "zero-byte", b"a,b\n1,\0\n")
    put("csv", "many-columns", "," * 600 + "\n")
    put("csv", "many-values", "a,b\n" + "".join("v%d,%d\n" % (i * 7919 % 1000, i) for i in range(400)))
    put("csv", "only-ends", "\n\r\n\n")
    put("csv", "lone-returns", "a\rb\r1\r2\r\n3\n")
    put("csv", "no-end", "a,b\n1,2")
    put("csv", "gzip", packed(b"a,b\n1,2\n3,4\n5,6\n7,8\n"))
    put("csv", "gzip-cut-short", packed(b"a,b\n1,2\n3,4\n5,6\n7,8\n")[:-5])


def make_preprocessing():
    whole = """{"format": 1, "target": "class", "classes": ["a", "b"], "columns": [
    {"name": "age", "shift": 1.5, "scale": 0.5, "fill": 2, "indicator": true},
    {"name": "kind", "values": ["blue", "green", "red"]}]}
"""
    put("preprocessing", "whole", whole)
    put("preprocessing", "number", whole.replace('"classes": ["a", "b"], ', "").replace('"class"', '"age"'))
    put("preprocessing", "cut-short", whole[:100])
    put("preprocessing", "no-name", whole.replace('"name": "age", ', ""))
    put("preprocessing", "no-target", whole.replace('"target": "class", ', ""))
    put("preprocessing", "no-columns", whole.replace('"columns"', '"others"'))
    put("preprocessing", "format-2", whole.replace('"format": 1', '"format": 18446744073709551615'))
    put("preprocessing", "huge-scale", whole.replace("0.5", "1e400").replace("1.5", "-1e308"))
    put("preprocessing", "twice", whole.replace('"classes"', '"classes": ["c"], "classes"'))
    put("preprocessing", "empty-lists", '{"format": 1, "target": "age", "classes": [], "columns": []}')
    put("preprocessing", "eight-values", whole.replace('"red"]', '"red", "d", "e", "f", "g", "h"]'))
    put("preprocessing", "no-object", "[1]")


def make_kernels():
    whole = """{"format": 1, "instruction_set": "scalar", "threads": 2, "steps": [
    {"step": "sum f32[2,3] → f32[2] highest #0123456789abcdef", "kernel": "reduce f32",
     "seconds": {"reduce f32": 1.5e-6, "reduce f32, any axes": 1e3}},
    {"step": "", "kernel": "none", "more": [{"a": null}]}]}
"""
    put("kernels", "whole", whole)
    put("kernels", "cut-short", whole[:150])
    put("kernels", "no-kernel", whole.replace('"kernel": "none"', '"kernels": "none"'))
    put("kernels", "no-steps", whole.replace('"steps"', '"others"'))
    put("kernels", "no-instruction-set", whole.replace('"instruction_set"', '"isa"'))
    put("kernels", "no-threads", whole.replace('"threads": 2', '"threads": 0'))
    put("kernels", "many-threads", whole.replace('"threads": 2', '"threads": 18446744073709551615'))
    put("kernels", "format-2", whole.replace('"format": 1', '"format": 2'))
    put("kernels", "huge-time", whole.replace("1e3", "1e400"))
    put("kernels", "many-times", whole.replace('"reduce f32": 1.5e-6', ", ".join('"%d": %d' % (i, i) for i in range(40))))
    put("kernels", "twice", whole.replace('"threads"', '"steps": [], "instruction_set": "avx2", "threads"'))


# --- NumPy ---------------------------------------------------------------------------------------------------


def npy(descr, shape, elements, fortran=False, version=1):
    text = "{'descr': %s, 'fortran_order': %s, 'shape': %s, }" % (descr, fortran, shape)
    head = 10 if version == 1 else 12
    text += " " * (-(head + len(text) + 1) % 64) + "\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text.encode() + elements


class Zip:
    """A zip archive whose every number can be made to lie."""

    def __init__(self):
        self.body, self.directory, self.count = b"", b"", 0

    def add(self, name, data, deflate=False, **lies):
        stored = zlib.compressobj(9, zlib.DEFLATED, -15) if deflate else None
        raw = stored.compress(data) + stored.flush() if deflate else data
        f = dict(flags=0, method=8 if deflate else 0, crc=zlib.crc32(data), packed=len(raw), size=len(data),
                 place=len(self.body), extra=b"")
        f.update(lies)
        name = name.encode()
        sizes = struct.pack("<III", f["crc"], min(f["packed"], 0xFFFFFFFF), min(f["size"], 0xFFFFFFFF))
        self.body += struct.pack("<4sHHHHH", b"PK\3\4", 20, f["flags"], f["method"], 0, 33) + sizes
        self.body += struct.pack("<HH", len(name), 0) + name + raw
        wide = b""
        for value in (f["size"], f["packed"], f["place"]):
            if value >= 0xFFFFFFFF:
                wide += struct.pack("<Q", value)
        extra = (struct.pack("<HH", 1, len(wide)) + wide if wide else b"") + f["extra"]
        self.directory += struct.pack("<4sHHHHHH", b"PK\1\2", 20, 20, f["flags"], f["method"], 0, 33) + sizes
        self.directory += struct.pack("<HHHHHII", len(name), len(extra), 0, 0, 0, 0, min(f["place"], 0xFFFFFFFF))
        self.directory += name + extra
        self.count += 1
        return self

    def done(self, comment=b"", wide=False, **lies):
        f = dict(count=self.count, size=len(self.directory), place=len(self.body))
        f.update(lies)
        out = self.body + self.directory
        if wide:
            end64 = len(out)
            out += struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, f["count"], f["count"], f["size"], f["place"])
            out += struct.pack("<4sIQI", b"PK\6\7", 0, lies.get("end64", end64), 1)
            f = dict(count=0xFFFF, size=0xFFFFFFFF, place=0xFFFFFFFF)
        counts = (min(f["count"], 0xFFFF), min(f["count"], 0xFFFF))
        return out + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, *counts, f["size"], f["place"], len(comment)) + comment


def make_numpy():
    floats = struct.pack("<6f", 0, 1, float("nan"), float("inf"), -1, 1e-45)
    f4 = npy("'<f4'", "(2, 3)", floats)
    put("numpy", "floats", f4)
    put("numpy", "big-endian", npy("'>f8'", "(2,)", struct.pack(">2d", 1, -2)))
    put("numpy", "fortran", npy("'<i2'", "(2, 3)", bytes(range(12)), fortran=True, version=2))
    put("numpy", "scalar", npy("'|b1'", "()", b"\1", version=3))
    put("numpy", "bool-2", npy("'|b1'", "(2,)", b"\1\2"))
    put("numpy", "record", npy("[('a', '<f4'), ('b', '<i2', (2, 2))]", "(1,)", bytes(12)))
    put("numpy", "near-2-63", npy("'<f8'", "(9223372036854775807,)", bytes(8)))
    put("numpy", "product-overflows", npy("'<f8'", "(4294967296, 4294967296)", bytes(8)))
    put("numpy", "times-zero", npy("'<f8'", "(0, 9223372036854775807)", b""))
    put("numpy", "cut-short", f4[:-5])
    put("numpy", "cut-header", f4[:40])
    put("numpy", "huge-header", b"\x93NUMPY\2\0\xff\xff\xff\xff{")
    put("numpy", "deep-list", npy("[" * 40 + "]" * 40, "(1,)", b""))
    x, y = npy("'|u1'", "(3, 2, 2)", bytes(range(12))), npy("'<i8'", "(3, 1)", struct.pack("<3q", 0, 1, 1))
    put("numpy", "stored.npz", Zip().add("x_train.npy", x).add("y_train.npy", y).done())
    put("numpy", "deflated.npz", Zip().add("x.npy", x, True).add("y.npy", y, True).done(comment=b"a comment"))
    parts = Zip().add("train_images.npy", x).add("train_labels.npy", y)
    put("numpy", "parts.npz", parts.add("test_images.npy", x, True).add("test_labels.npy", y).add("read.me", b"text").done())
    put("numpy", "wide.npz", Zip().add("x.npy", x).add("y.npy", y).done(wide=True))
    put("numpy", "empty.npz", Zip().done())
    nan = npy("'<f8'", "(3,)", struct.pack("<3d", float("nan"), 0, -1))
    put("numpy", "nan-labels.npz", Zip().add("x.npy", x).add("y.npy", nan).done())
    far = npy("'<i8'", "(3,)", struct.pack("<3q", -1, 1 << 62, 0))
    put("numpy", "far-labels.npz", Zip().add("x.npy", x).add("y.npy", far).done())
    put("numpy", "same-bytes-twice.npz", Zip().add("x.npy", x).add("y.npy", x, place=0).done())
    put("numpy", "overlap.npz", Zip().add("x.npy", x + f4).add("y.npy", y, place=20).done())
    put("numpy", "bomb.npz", Zip().add("x.npy", npy("'|u1'", "(1048576,)", bytes(1 << 20)), True).done())
    liar = npy("'|u1'", "(%d,)" % ((1 << 62) - 128), b"1234")
    put("numpy", "bomb-that-lies.npz", Zip().add("x.npy", liar, True, size=1 << 62).done())
    put("numpy", "stored-that-lies.npz", Zip().add("x.npy", liar, size=1 << 62, packed=1 << 62).done())
    put("numpy", "place-near-2-63.npz", Zip().add("x.npy", x, place=(1 << 63) - 1).done())
    put("numpy", "directory-near-2-63.npz", Zip().add("x.npy", x).done(wide=True, place=(1 << 63) - 1, size=(1 << 63) - 1))
    put("numpy", "end-near-2-64.npz", Zip().add("x.npy", x).done(wide=True, end64=(1 << 64) - 1))
    put("numpy", "many-members.npz", Zip().add("x.npy", x).done(wide=True, count=1 << 60))
    put("numpy", "wrong-checksum.npz", Zip().add("x.npy", x, True, crc=1).done())
    put("numpy", "encrypted.npz", Zip().add("x.npy", x, flags=1).done())
    put("numpy", "bzip2.npz", Zip().add("x.npy", x, method=12).done())
    put("numpy", "half-extra.npz", Zip().add("x.npy", x, size=0xFFFFFFFF, extra=b"\1\0\xff\xff").done())


# --- pictures ------------------------------------------------------------------------------------------------


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows, interlace=0, between=b""):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + between + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def make_image():
    grey = png(3, 2, 8, 0, b"\0\1\2\3\0\4\5\6")
    put("image", "grey.png", grey)
    put("image", "colour.png", png(2, 1, 8, 2, b"\1\1\2\3\4\5\6"))
    put("image", "alpha.png", png(1, 2, 8, 6, b"\0\1\2\3\x80\2\4\5\6\xff"))
    put("image", "palette.png", png(4, 1, 2, 3, b"\0\x1b", between=chunk(b"PLTE", bytes(range(12))) + chunk(b"tRNS", b"\0\x80")))
    put("image", "interlaced.png", png(2, 2, 8, 0, b"\0\1\0\2\0\3\4", interlace=1))
    put("image", "sixteen-bits.png", png(1, 1, 16, 0, b"\0\1\2"))
    put("image", "cut-short.png", grey[:-20])
    put("image", "no-size.png", png(0, 0, 8, 0, b""))
    put("image", "largest.png", png(0x7FFFFFFF, 0x7FFFFFFF, 16, 6, b"\0"))
    put("image", "a-side-of-2-15.png", png(1 << 15, 1 << 12, 8, 6, b"\0"))
    put("image", "bomb.png", png(2000, 1000, 1, 0, bytes(251 * 1000)))
    put("image", "huge-text.png", grey[:33] + struct.pack(">I", 0x7FFFFFFF) + b"tEXtabc")
    put("image", "grey.pgm", b"P5 3 2 255\n\1\2\3\4\5\6")
    put("image", "comment.ppm", b"P6\n# a comment\n1 2\n7\n\0\1\2\3\4\xff")
    put("image", "cut-short.pgm", b"P5 30 20 255\n123")
    put("image", "largest.pgm", b"P5 9223372036854775807 9223372036854775807 255\n1")
    put("image", "no-maximum.pgm", b"P5 1 1 0\n1")
    put("image", "minus.pgm", b"P5 -1 1 255\n1")
    put("image", "only-comment.pgm", b"P5#")


# --- texts ---------------------------------------------------------------------------------------------------


def make_json():
    put("json", "values", '{"a": [1, -2.5e-3, true, false, null, "x\\u00e9\\ud83d\\ude00\\n"], "": {}}')
    put("json", "largest", "18446744073709551615")
    put("json", "too-large", "[18446744073709551616, 1e400, -1e-400]")
    put("json", "deep", "[" * 64 + "]" * 64)
    put("json", "too-deep", "[" * 65 + "]" * 65)
    put("json", "half-pair", '"\\ud83d"')
    put("json", "zero", '"a\\u0000b"')
    put("json", "not-utf-8", b'"\xc0\x80\xed\xa0\x80"')
    put("json", "open", '{"a": [1, "')
    put("json", "last-comma", "[1,]")
    put("json", "zero-first", "[01]")
    put("json", "after", "{} {}")
    put("json", "backslash", '"\\')


def make_run_log():
    begin = '{"event":"begin","name":"run","epochs":3}\n'
    epoch = ('{"event":"epoch","epoch":%d,"loss":%s,"accuracy":0.5,"count":10,"val_loss":0.7,"val_accuracy":null,'
             '"val_count":2,"learning_rate":%s,"seconds":1.5}\n')
    end = '{"event":"test","loss":0.6,"accuracy":0.9,"count":5}\n{"event":"end"}\n'
    put("run_log", "whole", begin + epoch % (1, "0.9", "0.001") + epoch % (2, "0.8", "0.0001") + end)
    put("run_log", "begun", begin)
    put("run_log", "nothing-finite", begin + epoch % (1, "null", "null"))
    put("run_log", "far-apart", begin + epoch % (1, "1e308", "1e-308") + epoch % (2, "-1e308", "1e308") + end)
    put("run_log", "beyond-numbers", begin + epoch % (1, "1e400", "0") + epoch % (2, "-1e400", "1") + end)
    put("run_log", "next-to-each-other", begin + epoch % (1, "1", "1") + epoch % (2, "1.0000000000000002", "1") + end)
    put("run_log", "huge-counts", '{"event":"begin","epochs":1e300}\n{"event":"epoch","epoch":-1e300,"count":18446744073709551615}\n')
    put("run_log", "broken-line", begin + '{"event":"epoch","epoch":\n')
    put("run_log", "cut-short", begin + '{"event":"epo')
    put("run_log", "markup", '{"event":"begin","name":"<script>&\\"\'</script>","epochs":1}\n' + epoch % (1, "1", "1"))
    put("run_log", "other-types", '{"event":1,"epoch":"x"}\n[]\n')


def make_checkpoint():
    epoch = "[0.5,0.9,100,0.6,null,20,0.001,1.5]"
    whole = ('{"format":1,"isa":"scalar","seed":1,"model_seed":1,"rows":100,"batch_size":10,"log_bytes":10,"event_bytes":20,'
             '"whole":[1,3,13,30,1,0,1,0,0,0],"figures":[0.5,null,0.4,0.3],"history":[%s]}' % epoch)
    put("checkpoint", "whole", whole)
    put("checkpoint", "no-history", whole.replace(epoch, ""))
    put("checkpoint", "more-history", whole.replace(epoch, epoch + "," + epoch))
    put("checkpoint", "huge-counts", whole.replace("100,0.6", "1e300,0.6").replace("20,0.001", "-1e300,0.001"))
    put("checkpoint", "no-counts", whole.replace("100,0.6", "null,0.6"))
    put("checkpoint", "minus", whole.replace("[1,3,13", "[1,-3,-13"))
    put("checkpoint", "step-beyond", whole.replace("[1,3,13", "[1,9007199254740993,13"))
    put("checkpoint", "best-beyond", whole.replace("30,1,0", "30,7,0"))
    put("checkpoint", "fractions", whole.replace("[1,3,13", "[1,0.5,1e17"))
    put("checkpoint", "few-figures", whole.replace("null,0.4,", ""))
    put("checkpoint", "isa-number", whole.replace('"scalar"', "7"))
    put("checkpoint", "format-2", whole.replace('"format":1', '"format":2'))
    put("checkpoint", "other-rows", whole.replace("100,", "101,"))
    put("checkpoint", "history-elsewhere", whole.replace('"history"', '"story"'))
    put("checkpoint", "history-first", '{"history":[%s],' % epoch + whole.replace(',"history":[%s]' % epoch, "").replace("[1,3", "[9,3")[1:])
    put("checkpoint", "cut-short", whole[:150])


def make_recipe():
    put("recipe", "small", "name: a\ndata: {name: mnist, shape: [2, 3], validation: 0.2}\nmodel: [dense: 4, relu, dropout: 0.5, dense: 2]\n")
    put("recipe", "table", "data:\n  file: x.csv\n  target: y\n  drop: [a, b]\n  target_is_number: true\nmodel:\n  - dense: 1\ntraining:\n  loss: squared_error\n")
    put("recipe", "weights", "model: [dense: 2]\ntraining: {class_weights: [1, 3.5], batch_size: 7}\noptimizer: {no_decay: ['*.bias', '*.norm.*']}\n")
    put("recipe", "weights-nan", "model: [dense: 2]\ntraining: {class_weights: [nan, -inf]}\n")
    put("recipe", "shape-hostile", "data: {shape: [1e300, -5, nan, 0.5]}\nmodel: [dense: 2]\n")
    put("recipe", "huge-count", "model: [dense: 9e15]\ntraining: {epochs: 1e300, batch_size: 9e15}\n")
    put("recipe", "not-a-number", "model: [dense: nan]\noptimizer: {learning_rate: inf}\n")
    put("recipe", "unknown-key", "model: [dense: 2]\ntrainign: {epochs: 3}\n")
    put("recipe", "unknown-layer", "model: [dence: 2]\n")
    put("recipe", "no-dense", "model: [relu]\n")
    put("recipe", "twice", "model: [dense: 2]\nname: a\nname: b\n")
    put("recipe", "quoting", 'name: "a: b # c\\n\\"d\\" \\x07"\nmodel: [dense: 2]\n')
    put("recipe", "shares", "data: {validation: 0.6, test: 0.6}\nmodel: [dense: 2]\n")
    put("recipe", "deep", "a: {b: {c: {d: {e: {f: 1}}}}}\n")
    put("recipe", "refers-to-itself", "a: &a {b: *a}\n")
    laughs = "a: &a {p: {}, q: {}, r: {}}\n" + "".join(
        "%s: &%s {%s}\n" % (c, c, ", ".join("%s: *%s" % (k, p) for k in "pqr")) for p, c in zip("abc", "bcd"))
    put("recipe", "many-laughs", laughs)
    put("recipe", "deep-brackets", "[" * 200)
    put("recipe", "tabs", "name:\tx\n\tmodel: []\n")
    put("recipe", "not-utf-8", b"name: \xff\xfe\n")
    put("recipe", "utf-16", "name: x\nmodel: [dense: 2]\n".encode("utf-16"))
    put("recipe", "empty", "")
    picture = "data: {shape: [5, 4, 3]}\nmodel: [conv2d: {filters: 4, kernel: 3, padding: same, bias: false}, batch_norm, relu, "
    picture += "max_pool: 2, flatten, dense: {units: 2, bias: false}]\n"
    put("recipe", "picture", picture)
    put("recipe", "option-twice", picture.replace("kernel: 3", "kernel: 3, kernel: 3"))
    put("recipe", "value-twice", picture.replace("units: 2", "units: 2, units: 3"))
    put("recipe", "huge-options", picture.replace("kernel: 3", "kernel: 1e300, stride: 999999999").replace("same", "-1"))
    put("recipe", "two-documents", "model: [dense: 2]\n---\nname: b\n")
    put("recipe", "layers-with-commas", "model: [dense: 2]\ndata: {drop: ['a,b']}\n")
    put("recipe", "many-layers", "model: [" + "relu, " * 300 + "dense: 2]\n")


# --- checkpoints of llama2.c ---------------------------------------------------------------------------------


def llama2c(dim, hidden, layers, heads, kv_heads, vocabulary, block, floats):
    sizes = struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocabulary, block)
    return sizes + b"".join(struct.pack("<f", i / 8) for i in range(floats))


def make_llama2c():
    whole = llama2c(2, 1, 1, 1, 1, 1, 1, 32)
    put("llama2c", "whole", whole)
    put("llama2c", "own-head", llama2c(2, 1, 1, 1, 1, -1, 1, 34))
    put("llama2c", "two-layers", llama2c(4, 3, 2, 2, 1, 5, 3, 214))
    put("llama2c", "cut-short", whole[:-4])
    put("llama2c", "too-long", whole + b"x")
    put("llama2c", "cut-header", whole[:27])
    put("llama2c", "largest", llama2c(1 << 20, 1 << 20, 1 << 12, 1 << 19, 1 << 19, 1 << 20, 1 << 20, 0))
    put("llama2c", "too-large", llama2c((1 << 31) - 2, 1, 1, 1, 1, 1, 1, 34))
    put("llama2c", "least-vocabulary", llama2c(2, 1, 1, 1, 1, -(1 << 31), 1, 34))
    put("llama2c", "no-layers", llama2c(2, 1, 0, 1, 1, 1, 1, 34))
    put("llama2c", "minus", llama2c(-2, -1, -1, -1, -1, -1, -1, 34))
    put("llama2c", "uneven-heads", llama2c(6, 1, 1, 3, 2, 1, 1, 34))


# --- tokenizers and sentences --------------------------------------------------------------------------------


def scored(*pieces):
    return struct.pack("<i", 8) + b"".join(struct.pack("<fi", score, len(piece)) + piece for piece, score in pieces)


def letters():
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(c) for c in printing] + [chr(0x100 + i) for i in range(256 - len(printing))]


def make_tokenizer():
    own = '{"format": 1, "kind": "%s", %s}'
    put("tokenizer", "characters", own % ("character", '"specials": {"unknown": 0}, "pieces": ["<unk>", "a", "b", "\\n"]'))
    put("tokenizer", "bytes", own % ("byte", '"specials": {"padding": 0, "unknown": 1, "begin": 2, "end": 3}'))
    put("tokenizer", "words", own % ("word", '"form": "NFC", "lower": true, "specials": {"unknown": 0}, "pieces": ["<unk>", "a"]'))
    every = ", ".join('"%s"' % ("\\" * (c in '"\\') + c) for c in letters())
    put("tokenizer", "bpe", own % ("bpe", '"pieces": [%s, "ab", "abab"], "merges": [64, 65, 256, 256]' % every))
    put("tokenizer", "bpe-merges-nothing", own % ("bpe", '"pieces": [%s], "merges": [64, 65]' % every))
    put("tokenizer", "bpe-without-bytes", own % ("bpe", '"pieces": ["a", "b", "ab"], "merges": [0, 1]'))
    put("tokenizer", "merge-beyond", own % ("bpe", '"pieces": ["a"], "merges": [0, 16777215]'))
    put("tokenizer", "wordpiece", own % ("wordpiece", '"specials": {"unknown": 0}, "pieces": ["[UNK]", "a", "##b"]'))
    put("tokenizer", "scored-own", own % ("scored", '"pieces": ["a", "b", "ab"], "scores": [0, 0, -1e300]'))
    put("tokenizer", "special-near-2-63", own % ("character", '"specials": {"end": 9223372036854775807}, "pieces": ["a"]'))
    put("tokenizer", "no-kind", '{"format": 1, "pieces": ["a"]}')
    put("tokenizer", "far-number", '{"a": 16777215}')
    put("tokenizer", "encoder", "{%s}" % ", ".join('"%s": %d' % ("\\" * (c in '"\\') + c, i) for i, c in enumerate(letters())))
    put("tokenizer", "merges", "#version: 0.2\na b\nab ab\n")
    put("tokenizer", "vocabulary", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##b\nc\n")
    put("tokenizer", "vocabulary-twice", "[UNK]\na\na\n")
    put("tokenizer", "vocabulary-no-unknown", "a\nb\n")
    put("tokenizer", "vocabulary-not-utf-8", b"[UNK]\n\xff\n")
    put("tokenizer", "empty", "")
    vocabulary = [(b"<unk>", 0), (b"\n<s>\n", 0), (b"\n</s>\n", 0), (b"<0x41>", 0), (b" ", -1), (b"a", -2), (b"b", -3),
                  (b"ab", -4), (b" ab", -5)]
    put("tokenizer", "scored", scored(*vocabulary))
    put("tokenizer", "scored-twice", scored((b"a", 0), (b"a", 1)))
    put("tokenizer", "scored-nan", scored((b"a", float("nan"))))
    put("tokenizer", "scored-cut-short", scored(*vocabulary)[:-1])
    put("tokenizer", "scored-near-2-31", struct.pack("<ifi", 8, 0, 0x7FFFFFFF) + b"abcdefgh")
    put("tokenizer", "scored-minus", struct.pack("<ifi", 8, 0, -1) + b"abcdefgh")
    put("tokenizer", "text", "It's  a t\u00e9st \U0001f642\U0001f642 of 1,000 words\n\n  ab abab \u65e5\u672c".encode())


def make_sentences():
    put("sentences", "lines", "one\ntwo three\n\nfour\r\n")
    put("sentences", "labelled", "a b\tpos\nc\tneg\n\nd e f\tpos\n")
    put("sentences", "no-tab", "a\t1\nb\n")
    put("sentences", "no-label", "a\t\n")
    put("sentences", "commas", "a\tx,y\n")
    put("sentences", "stories", "1 a b.\n2 c? \td\t1\n3 e.\n4 f?\tg\t1 3\n1 h.\n2 i?\td\n")
    put("sentences", "story-from-2-63", "9223372036854775807 a.\n1 b?\tc\n")
    put("sentences", "no-number", "a b\n")
    put("sentences", "number-alone", "1\n")
    put("sentences", "zero-byte", b"a\0b\tc\0d\n")
    put("sentences", "not-utf-8", b"\xff\xfe\t\xff\n")
    put("sentences", "no-line-end", "a\tb")
    put("sentences", "empty", "")
    put("sentences", "blank", "\n\n  \n\t\n")
    put("sentences", "gzip", packed(b"a b\tpos\nc\tneg\n"))
    put("sentences", "gzip-cut-short", packed(b"a b\tpos\nc\tneg\n")[:-5])
    put("sentences", "one-long", "a" * 5000 + "\tx\n" + "b\ty\n" * 20)


for make in (make_tokenizer, make_sentences, make_llama2c, make_idx, make_csv, make_preprocessing, make_kernels, make_numpy, make_image, make_json,
             make_run_log, make_checkpoint, make_recipe):
    make()
