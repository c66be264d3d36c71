"""Forty files that are no photos: each is one clear line, exit code 2 and nothing written."""

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from maskwright.cli.main import run

PIXELS = np.random.default_rng(0).integers(0, 256, (37, 53, 3), np.uint8)


def saved(format, pixels=PIXELS, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format, **options)
    return file.getvalue()


def tiff(pixels, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **options)
    return file.getvalue()


def chunk(kind, data=b"", *, crc_error=0):
    crc = zlib.crc32(kind + data) ^ crc_error
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width, height, *, colour=2, stream=None, **header):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0), **header)
    stream = zlib.compress(bytes(160 * 37)) if stream is None else stream
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", stream) + chunk(b"IEND")


def jpeg(width, height):
    size = struct.pack(">HH", height, width)
    at = saved("JPEG").index(b"\xff\xc0") + 5
    return saved("JPEG")[:at] + size + saved("JPEG")[at + 4 :]


def bmp(width, height):
    return saved("BMP")[:18] + struct.pack("<ii", width, height) + saved("BMP")[26:]


def webp(width, height):
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


def huge_tiff():
    tags = ((256, 4, 90_000), (257, 4, 90_000), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 8))
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + body + bytes(4)


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def half(format, **options):
    data = saved(format, **options)
    return data[: len(data) // 2]


NAN = np.full((37, 53, 3), np.nan, np.float32)
FILES = {
    # damaged
    "empty.png": b"",
    "one_byte.jpg": b"\xff",
    "magic_only.png": b"\x89PNG\r\n\x1a\n",
    "magic_only.jpg": b"\xff\xd8\xff\xe0",
    "magic_only.tif": b"II*\0",
    "magic_only.webp": b"RIFF\x00\x00\x00\x00WEBP",
    "magic_only.bmp": b"BM",
    "half.png": half("PNG"),
    "half.jpg": half("JPEG", quality=95),
    "half.tif": half("TIFF"),
    "half_lzw.tif": half("TIFF", compression="tiff_lzw"),
    "half.webp": half("WEBP", lossless=True),
    "half.bmp": half("BMP"),
    "header_crc.png": png(53, 37, crc_error=1),
    "flipped.png": flipped(saved("PNG"), 90),
    "cut_stream.png": png(53, 37, stream=zlib.compress(PIXELS.tobytes())[:999]),
    "directory_beyond_end.tif": b"II*\0\xff\xff\xff\x7f",
    "noise.png": b"\x89PNG\r\n\x1a\n" + PIXELS.tobytes(),
    "zeros.jpg": bytes(4096),
    # tiny: smaller than any trimap, or without a pixel
    "no_width.png": png(0, 37),
    "no_height.bmp": bmp(53, 0),
    "tiny.png": saved("PNG", PIXELS[:1, :1]),
    "tiny.jpg": saved("JPEG", PIXELS[:1, :1]),
    "tiny.tif": saved("TIFF", PIXELS[:1, :1]),
    "tiny.webp": saved("WEBP", PIXELS[:1, :1]),
    # a header that announces more than there could be
    "huge.png": png(100_000, 100_000),
    "beyond.png": png(2**31 - 1, 2**31 - 1),
    "huge.jpg": jpeg(65_000, 65_000),
    "huge.tif": huge_tiff(),
    "huge.webp": webp(16_384, 16_384),
    "huge.bmp": bmp(2**30, 2**30),
    # pixels of a kind that photos do not have
    "nan.tif": tiff(NAN, photometric="rgb"),
    "beyond_one.tif": tiff(np.full((37, 53, 3), 7, np.float32), photometric="rgb"),
    "int32.tif": tiff(np.full((37, 53), -5, np.int32)),
    "colour_type.png": png(53, 37, colour=5),
    # a suffix that is not what the file is
    "text.png": b"These are not the pixels you are looking for.\n",
    "page.jpg": b"<!DOCTYPE html><title>404</title>",
    "document.tif": b"%PDF-1.7\n",
    "archive.webp": b"PK\x03\x04" + bytes(60),
    "film.heic": b"\0\0\0\x20ftypisom" + bytes(60),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    trimap = np.zeros((37, 53), np.uint8)
    trimap[11:23, 13:31], trimap[13:19, 17:29] = 128, 255
    Image.fromarray(trimap).save(folder / "trimap.gif.png")
    return folder


def test_there_are_forty():
    assert len(FILES) == 40


@pytest.mark.parametrize("name", FILES)
def test_a_bad_file_is_one_clear_line_and_nothing_else(folder, tmp_path, capsys, name):
    trimap, output = folder / "trimap.gif.png", tmp_path / "out.png"
    assert run(["cutout", str(folder / name), "--trimap", str(trimap), "-o", str(output)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1 and err.endswith("\n")
    assert name in err
    assert "a fault of ours" not in err and "Traceback" not in err
    assert 40 < len(err) - len(str(folder)) < 300
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def all_at_once(folder):
    if not Path("/proc/self/status").exists():
        pytest.skip("needs Linux, which tells the peak memory of a process")
    arguments = ["cutout", *FILES, "--trimap", "trimap.gif.png", "-o", "out/"]
    program = (
        "import sys\n"
        "from maskwright.cli.main import run\n"
        "code = run(sys.argv[1:])\n"
        "status = open('/proc/self/status').read()\n"  # getrusage counts the parent's peak too
        "print('torch' in sys.modules, status.split('VmHWM:')[1].split()[0])\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_all_at_once_are_forty_lines_and_a_count(all_at_once, folder):
    lines = all_at_once.stderr.splitlines()
    assert all_at_once.returncode == 2
    assert lines.pop() == "0 done, 40 failed"
    assert all(name in line for name, line in zip(FILES, lines, strict=True))
    assert not (folder / "out").exists()


def test_huge_headers_cost_no_memory_and_bad_files_no_network(all_at_once):
    torch_is_loaded, kilobytes = all_at_once.stdout.split()
    assert torch_is_loaded == "False"
    assert int(kilobytes) < 400_000
