"""Local and Ray, disks and buckets: the same bytes. One cluster serves all tests here."""

import socket

import pytest
from drawn_photos import draw
from inverting import HERE, Inverting

from maskwright.batch.codec import Limits
from maskwright.batch.local import LocalEngine
from maskwright.batch.places import open_place
from maskwright.batch.run import STATE, Scope, open_manifest, run_batch
from maskwright.batch.steps import Job
from maskwright.errors import UsageError
from maskwright.image.source import display_name
from maskwright.runs.manifest import DONE, FAILED

ray = pytest.importorskip("ray")
# Ray's own: sockets and processes that it leaves to the end of the interpreter.
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning",
    "ignore::FutureWarning", "ignore::DeprecationWarning",
)  # fmt: skip
LIMITS = Limits(60.0, 1 << 30)


@pytest.fixture(scope="module")
def bucket():
    """The URL of a bucket of a server on this machine."""
    server_module = pytest.importorskip("moto.server")
    fsspec = pytest.importorskip("s3fs")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    fsspec.S3FileSystem().mkdir("photos")
    yield "s3://photos"
    patch.undo()
    server.stop()


@pytest.fixture(scope="module")
def cluster(bucket):
    """One core, enough to see that everything gets its turn; its processes know the bucket."""
    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", HERE)
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    start()
    yield
    ray.shutdown()
    patch.undo()


def start(attempts=3):
    """Start Ray, which gives up after half a minute, on a busy machine too."""
    try:
        ray.init(num_cpus=1, include_dashboard=False, object_store_memory=100 << 20)
    except Exception:
        ray.shutdown()
        if attempts == 1:
            raise
        start(attempts - 1)


def do(job, engine, **scope):
    with open_manifest(job, Scope(**scope)) as manifest:
        summary = run_batch(job, manifest, Scope(**scope), engine=engine)
        return summary, {row.path: row for row in manifest.worst_first()}


def local(job):
    return lambda: LocalEngine(job, workers=1, limits=LIMITS)


def on_ray(job):
    from maskwright.batch.ray import RayEngine

    return lambda: RayEngine(job, workers=1, limits=LIMITS)


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*.png")
        if STATE not in path.parts
    }


def test_ray_gives_the_same_bytes_and_names_the_same_bad_photos(
    cluster, photos, tmp_path, monkeypatch
):
    for number in range(40):  # more than one group
        draw(photos / f"many/{number}.png", number)
    (photos / "crash.png").write_text("crash")
    (photos / "zero.png").touch()
    draw(photos / "not\udcffutf8.png", 5)
    monkeypatch.chdir(tmp_path)  # Ray's processes have another working folder
    place = open_place("photos")
    mine = Job(Inverting(), place, open_place("local"))
    rays = Job(Inverting(), place, open_place("rays"))
    (_, expected), (summary, found) = do(mine, local(mine)), do(rays, on_ray(rays))
    assert files(tmp_path / "rays") == files(tmp_path / "local")
    assert (summary.counts[DONE], summary.counts[FAILED]) == (44, 2)
    assert {row.path: row.outputs for row in found.values()} == {
        row.path: row.outputs for row in expected.values()
    }
    for name in ("crash.png", "zero.png"):
        assert display_name(name) in found[name].error
    again, _ = do(rays, on_ray(rays))
    assert (again.progress.done_now, again.counts[DONE]) == (0, 44)


def test_what_is_wrong_with_the_call_ends_a_run_on_ray(cluster, photos, tmp_path):
    from inverting import Unloadable

    job = Job(Unloadable(), open_place(str(photos)), open_place(str(tmp_path / "out")))
    with pytest.raises(UsageError, match="no such network"):
        do(job, on_ray(job))


@pytest.mark.parametrize("engine", [local, on_ray])
def test_photos_and_results_may_lie_in_a_bucket(
    cluster, bucket, photos, tmp_path, monkeypatch, engine
):
    monkeypatch.setenv("MASKWRIGHT_HOME", str(tmp_path / "home"))
    mine = Job(Inverting(), open_place(str(photos)), open_place(str(tmp_path / "out")))
    do(mine, local(mine))
    there = f"{bucket}/{engine.__name__}"
    sent = {path: (photos / path).read_bytes() for path in ("a.png", "b.png", "deep/c.png")}
    open_place(f"{there}/in").publish({**sent, "zero.png": b""}, overwrite=True)
    job = Job(Inverting(), open_place(f"{there}/in"), open_place(f"{there}/out"))
    summary, rows = do(job, engine(job))
    assert (summary.counts[DONE], summary.counts[FAILED]) == (3, 1)
    assert f"{there}/in/zero.png" in rows["zero.png"].error
    for name, content in files(tmp_path / "out").items():
        assert open_place(f"{there}/out").read(name) == content
    again, _ = do(job, engine(job))
    assert (again.progress.done_now, again.counts[DONE]) == (0, 3)
    open_place(f"{there}/in").publish({"a.png": sent["b.png"]}, overwrite=True)
    summary, _ = do(job, engine(job))
    assert summary.progress.done_now == 1
    assert open_place(f"{there}/out").read("a.png") == files(tmp_path / "out")["b.png"]
