import os
import subprocess
import sys

import pytest

import maskwright
from maskwright.cli import main
from maskwright.cli.main import app, run
from maskwright.errors import (
    DataError,
    ImageError,
    LicenceError,
    MemoryBudgetError,
    MissingExtraError,
    OutputError,
    UsageError,
    WeightsError,
)

HEAVY = {"torch", "numpy", "cv2", "scipy", "PIL", "safetensors", "huggingface_hub", "rich"}


QUICK = [
    "--help",
    "cutout --help",
    "models list",
    "doctor --fast",
    "matte README.md -o x.png",
    "cutout . -o x.png --mask y.png",
    "matte . -o x.png --max-memory much",
    "train recipe --set steps",
]


def test_help_lists_and_wrong_use_import_nothing_heavy():
    program = (
        "import sys\n"
        "from maskwright.cli.main import run\n"
        f"for line in {QUICK}:\n"
        "    run(line.split())\n"
        f"    assert not {HEAVY} & set(sys.modules), (line, {HEAVY} & set(sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "arguments,line",
    [
        (["nix"], "no such command 'nix'; see `maskwright --help`"),
        (["cutout", "--zzzz"], "no such option: --zzzz; see `maskwright cutout --help`"),
        (["cutout"], "missing argument 'PHOTO'; see `maskwright cutout --help`"),
        (["cutout", "a.jpg"], "missing option '--output' / '-o'; see `maskwright cutout --help`"),
        (
            ["models"],
            "missing command: one of list, info, pull, verify, bundle; "
            "see `maskwright models --help`",
        ),
        (
            ["matte", "a.jpg", "-o", "x.png"],
            "say where the object is with --point X,Y, --box, --mask or --trimap (0, 128, 255); "
            "`cutout` alone finds it by itself",
        ),
        (
            ["cutout", "a.jpg", "-o", "x.png", "--trimap", "t", "--mask", "m"],
            "--trimap says it all: --mask, --point and --box exclude it; keep one",
        ),
        (
            ["matte", "a.jpg", "-o", "x.png", "--trimap", "setup.py"],
            "expected a trimap, there is no setup.py; check the path",
        ),
        (
            ["matte", "a.jpg", "-o", "x.png", "--mask", ".", "--device", "gpu"],
            "--device must be auto, cpu, cuda, cuda:N or mps, got 'gpu'",
        ),
        (
            ["matte", "a.jpg", "-o", "x.png", "--mask", ".", "--bit-depth", "12"],
            "--bit-depth must be 8 or 16, got '12'",
        ),
        (
            ["models", "info", "a2u-mimi"],
            "expected a model's name or a .safetensors file, got 'a2u-mimi'; "
            "did you mean a2u-mini?",
        ),
        (["convert", "x.pth", "-o", "x.pt"], "-o must end with .safetensors, got 'x.pt'"),
    ],
)
def test_wrong_use_is_one_line_and_exits_1(tmp_path, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(tmp_path)
    assert run(arguments) == 1
    assert capsys.readouterr() == ("", f"maskwright: {line}\n")


@pytest.mark.parametrize(
    "error,code",
    [
        (UsageError("x"), 1),
        (MissingExtraError("x"), 1),
        (ImageError("x"), 2),
        (DataError("x"), 2),
        (WeightsError("x"), 2),
        (OutputError("x"), 2),
        (LicenceError("x"), 3),
        (MemoryBudgetError("x"), 3),
    ],
)
def test_each_kind_of_error_has_its_exit_code(monkeypatch, capsys, error, code):
    monkeypatch.setattr(main, "app", raises(error))
    assert run(["models"]) == code
    assert capsys.readouterr().err == "maskwright: x\n"


def raises(error):
    def app(*_, **__):
        raise error

    return app


def test_a_fault_of_ours_is_one_line_too_unless_asked_for_more(monkeypatch, capsys):
    monkeypatch.delenv("MASKWRIGHT_DEBUG", raising=False)
    monkeypatch.setattr(main, "app", raises(ZeroDivisionError("by\nzero")))
    assert run(["models"]) == 2
    line = "maskwright: a fault of ours, ZeroDivisionError: by zero; please report it with -v -v\n"
    assert capsys.readouterr().err == line
    monkeypatch.setenv("MASKWRIGHT_DEBUG", "1")
    assert run(["models"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("Traceback") and shown.endswith(line)


def test_an_interrupt_is_one_line_and_exits_130(monkeypatch, capsys):
    monkeypatch.setattr(main, "app", raises(KeyboardInterrupt()))
    assert run(["models"]) == 130
    assert "maskwright: interrupted" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("left", "code", "told"),
    [(None, 0, ""), (0, 0, ""), (4, 4, ""), ("no\ndata", 2, "maskwright: no data\n")],
)
def test_a_program_that_leaves_by_itself_keeps_its_word(monkeypatch, capsys, left, code, told):
    monkeypatch.setattr(main, "app", raises(SystemExit(left)))
    assert run(["train", "recipe.py"]) == code
    print("still heard")
    assert capsys.readouterr() == ("still heard\n", told)


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["cutout", "a.jpg", "--mask", "", "-o", "x.png"], "--mask"),
        (["cutout", "a.jpg", "--mask=", "-o", "x.png"], "--mask"),
        (["click", "a.jpg", "--point", "1,1", "-o", ""], "-o"),
        (["cutout", ""], "cutout"),
        ([""], "maskwright"),
    ],
)
def test_an_empty_text_is_no_value(capsys, arguments, flag):
    assert run(arguments) == 1
    line = f"maskwright: expected a value after {flag}, got an empty text; is it set?\n"
    assert capsys.readouterr().err == line


def test_a_warning_is_one_line_and_quiet_hides_it(monkeypatch, capsys):
    import warnings

    from maskwright.cli.flags import set_verbosity

    def warn(*_, **__):
        warnings.simplefilter("always")
        warnings.warn("odd\nvalues", UserWarning, stacklevel=2)
        return 0

    monkeypatch.setattr(main, "app", warn)
    set_verbosity(quiet=False, verbose=0)
    assert run(["models"]) == 0
    assert capsys.readouterr().err == "maskwright: warning: odd values\n"
    set_verbosity(quiet=True, verbose=0)
    run(["models"])
    assert capsys.readouterr().err == ""


def test_version_and_help(capsys):
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"maskwright {maskwright.__version__}\n"
    assert run([]) == 0
    assert "cutout" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_reader_that_stops_early_is_no_error():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "maskwright", "models", "list"], stdout=write, stderr=subprocess.PIPE
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


def test_every_option_has_a_help_text(capsys):
    import typer

    def leaves(command, path=()):
        for name, child in getattr(command, "commands", {}).items():
            yield from leaves(child, (*path, name))
        if not hasattr(command, "commands"):
            yield path, command

    for path, command in leaves(typer.main.get_command(app)):
        assert command.help, path
        for option in command.params:
            assert getattr(option, "help", ""), (path, option.name)
