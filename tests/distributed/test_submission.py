"""Jobs of a graph: their command lines and what Ray ships with them; end_to_end/test_submitted_jobs.py runs some."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray._private.runtime_env.packaging import create_package
from ray.exceptions import RpcError
from ray.job_submission import JobStatus, JobSubmissionClient

from aplantida.data.collection_address import FROM_HEAD_VARIABLE, CollectionAddress, CollectionError
from aplantida.demo.cdn import serve_folder
from aplantida.distributed.dashboard import ANSWER_SECONDS, Client
from aplantida.distributed.submission import JobRequest, main, requests_of, run_jobs, variables_of
from aplantida.phases.registry import load_phase
from aplantida.pipeline.cli import parser
from aplantida.pipeline.config import CHECKOUT, find_file
from aplantida.pipeline.errors import BadRequest
from aplantida.pipeline.graph import GraphConfig, load_graph

MOST_BYTES = 20_000_000


def test_every_node_of_the_graph_becomes_a_job_that_the_command_line_takes() -> None:
    config = GraphConfig(profile="demo", runs="runs/demo", name="demo", seed=7)
    nodes = load_graph(find_file(config.graph))
    requests = requests_of(nodes, config)
    assert [request.node for request in requests] == [node.name for node in nodes]
    assert len(requests) >= 26
    for request, node in zip(requests, nodes, strict=True):
        assert request.command[:3] == ("python", "-m", f"jobs.{node.phase}")
        given = parser(load_phase(node.phase)).parse_args(request.command[3:])
        assert given.output == config.layout().output(node)
        assert given.seed == 7
        assert given.device is None
        assert {word.partition("=")[0] for word in given.input} == set(node.inputs)
        assert [word.partition("=")[2] for word in given.input if "*" not in node.inputs.values()] == [
            f"runs/demo/{name}" if name != "bundle" else "dist/models/demo_v1.0" for name in node.needs() if name != "*"
        ]
    manifest = next(request for request in requests if request.node == "manifest")
    assert "artifacts=runs/demo/fetch_images" in manifest.command
    assert "artifacts=runs/demo/manifest" not in manifest.command


def test_chosen_nodes_only_and_the_device_of_all() -> None:
    nodes = load_graph(find_file("configs/pipeline.yaml"))
    requests = requests_of(nodes, GraphConfig(nodes=["sweep", "split_dataset"]), device="cpu")
    assert [request.node for request in requests] == ["split_dataset", "sweep"]
    assert all(request.command[-2:] == ("--device", "cpu") for request in requests)
    with pytest.raises(BadRequest, match=r"bundle: name is 'student' in configs/export_tfjs\.yaml, 'other' in the run"):
        requests_of(nodes, GraphConfig(nodes=["bundle"], name="other"))
    with pytest.raises(BadRequest, match="no node is called 'splitt'"):
        requests_of(nodes, GraphConfig(nodes=["splitt"]))


def test_a_file_outside_of_what_jobs_are_given_is_refused_and_one_inside_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    nodes = load_graph(find_file("configs/pipeline.yaml"))
    inside = GraphConfig(nodes=["split_dataset"], profile=str(CHECKOUT / "configs/demo"), name="demo")
    assert "configs/demo/split_dataset.yaml" in requests_of(nodes, inside)[0].command
    overlay = tmp_path / "configs/demo/split_dataset.yaml"  # a job would read the checkout's of that name
    overlay.parent.mkdir(parents=True)
    overlay.write_text("seed: 3\n")
    mine = GraphConfig(nodes=["split_dataset"], profile="demo", name="demo")
    with pytest.raises(BadRequest, match=r"split_dataset: configs/demo/split_dataset.yaml is .*: want it there"):
        requests_of(nodes, mine)
    shared = GraphConfig(nodes=["split_dataset"], profile=str(overlay.parent), name="demo")
    assert str(overlay) in requests_of(nodes, shared)[0].command


def test_a_config_or_cluster_that_is_not_there_is_a_bad_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert main(["--config", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: no such file" in capsys.readouterr().err
    for address in ("http://127.0.0.1:9", "http://nobody.invalid:8265"):
        assert main(["--config", "configs/run_pipeline.yaml", "--address", address]) == 2
        assert f"no Ray takes jobs at {address}: " in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "localhost", "auto", "ray://h:1", "http://", "http://h:x", ""])
def test_an_address_that_is_no_url_is_refused_at_once(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--config", "configs/run_pipeline.yaml", "--address", address]) == 2
    assert capsys.readouterr().err == f"submission: --address {address!r}: want http://HOST:8265\n"


def test_what_answers_and_is_no_ray_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "api").mkdir()
    for answer in ("<html>", "{}", "[1]"):
        (tmp_path / "api/version").write_text(answer)
        with serve_folder(tmp_path) as address:
            assert main(["--config", "configs/run_pipeline.yaml", "--address", address]) == 2
        said = capsys.readouterr().err
        assert said.startswith(f"submission: no Ray takes jobs at {address}: ")
        assert len(said.splitlines()) == 1


class _Ray:
    """In place of a client: takes jobs, and is interrupted or gone while the first of them runs."""

    def __init__(self, trouble: BaseException) -> None:
        self.trouble, self.submitted, self.stopped = trouble, list[dict[str, Any]](), list[str]()

    def submit_job(self, **request: Any) -> str:
        self.submitted.append(request)
        return f"job-{len(self.submitted)}"

    def get_job_info(self, _name: str) -> Any:
        raise self.trouble

    def stop_job(self, name: str) -> None:
        self.stopped.append(name)


@pytest.mark.parametrize(
    ("trouble", "code", "words"),
    [
        (KeyboardInterrupt(), 130, "interrupted; run the same command again to go on"),
        (RuntimeError("500"), 1, "or is gone: job job-1: no answer in 0 s; it may still run: 500"),
        (OSError("refused"), 1, "or is gone: job job-1: no answer in 0 s; it may still run: refused"),
        (RpcError("away"), 1, "or is gone: job job-1: no answer in 0 s; it may still run: away"),
        (RuntimeError("Request failed with status code 404: no"), 1, "job job-1 is unknown there now: was the cluster"),
        (RuntimeError("Request failed with status code 403: no"), 1, "or is gone: Request failed with status code 403"),
    ],
)
def test_trouble_while_a_job_runs_is_a_line_and_an_interruption_stops_the_job(
    trouble: BaseException, code: int, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = _Ray(trouble)
    monkeypatch.setattr("aplantida.distributed.dashboard.AWAY_SECONDS", 0)
    monkeypatch.setattr("aplantida.distributed.submission.Client", lambda _address: ray)
    assert main(["--config", "configs/run_pipeline.yaml"]) == code
    assert words in capsys.readouterr().err
    assert ray.stopped == (["job-1"] if code == 130 else [])


_ENDED = SimpleNamespace(status=JobStatus.SUCCEEDED, driver_exit_code=0, message="")


class _Leaving(_Ray):
    """Is away for some of the questions, and then tells that the job has ended."""

    def __init__(self, trouble: BaseException, times: int) -> None:
        super().__init__(trouble)
        self.left: dict[str, int] = dict.fromkeys(("submit", "info", "logs"), times)

    def _answer(self, what: str, answer: Any) -> Any:
        self.left[what] -= 1
        if self.left[what] >= 0:
            raise self.trouble
        return answer

    def submit_job(self, **request: Any) -> str:
        name = super().submit_job(**request)
        return self._answer("submit", name)

    def get_job_info(self, _name: str) -> Any:
        return self._answer("info", _ENDED)

    def get_job_logs(self, _name: str) -> str:
        return self._answer("logs", "its lines")


@pytest.mark.parametrize(
    "trouble",
    [
        OSError("refused"),
        TimeoutError("timed out"),
        RpcError("away"),
        *(RuntimeError(f"Request failed with status code {status}: x") for status in (429, 502, 503, 504)),
        RuntimeError("Request failed with status code 500: No available agent to submit job"),
    ],
)
def test_a_dashboard_that_is_away_is_waited_for_with_a_word(
    trouble: BaseException, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aplantida.distributed.dashboard.time.sleep", lambda _: None)
    ray = _Leaving(trouble, times=3)
    (result,) = run_jobs(cast("Any", ray), [JobRequest("split", ("x",))], working_dir=CHECKOUT, variables={})
    assert (result.exit_code, result.log) == (0, "its lines")
    said = capsys.readouterr().err.splitlines()
    assert [line.count("no answer of the dashboard, which is waited for") for line in said] == [1, 1, 1]
    assert len({request["submission_id"] for request in ray.submitted}) == 1


def test_a_job_that_was_taken_without_an_answer_is_not_submitted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aplantida.distributed.dashboard.time.sleep", lambda _: None)
    ray = _Leaving(OSError("cut"), times=0)

    def submit(**request: Any) -> str:
        ray.submitted.append(request)
        if len(ray.submitted) == 1:
            raise ray.trouble
        name = request["submission_id"]
        raise RuntimeError(f"Request failed with status code 500: Job with submission_id {name} already exists.")

    monkeypatch.setattr(ray, "submit_job", submit)
    (result,) = run_jobs(cast("Any", ray), [JobRequest("split", ("x",))], working_dir=CHECKOUT, variables={})
    assert result.submission_id == ray.submitted[0]["submission_id"]
    assert result.exit_code == 0


def test_what_a_cluster_refuses_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aplantida.distributed.dashboard.time.sleep", lambda _: pytest.fail("waited"))
    ray = _Leaving(RuntimeError("Request failed with status code 500: no such runtime_env"), times=1)
    with pytest.raises(RuntimeError, match="no such runtime_env"):
        list(run_jobs(cast("Any", ray), [JobRequest("split", ("x",))], working_dir=CHECKOUT, variables={}))


def test_a_question_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    client = object.__new__(Client)
    monkeypatch.setattr(JobSubmissionClient, "_do_request", lambda _self, *_, **more: seen.append(more.get("timeout")))
    client._do_request("GET", "/api/jobs/x")
    client._do_request("POST", "/api/jobs/")
    assert seen == [ANSWER_SECONDS, None]


def test_credentials_do_not_go_along_with_a_job_and_that_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for uri in ("mongodb://ana:gr33n@h:1", "mongodb://h/?tlsCertificateKeyFilePassword=gr33n", "mongodb://h:1"):
        ray = _Ray(KeyboardInterrupt())
        monkeypatch.setattr("aplantida.distributed.submission.Client", lambda _, ray=ray: ray)
        monkeypatch.setenv("MONGO_URI", uri)
        main(["--config", "configs/run_pipeline.yaml"])
        said, sent = capsys.readouterr().err, ray.submitted[0]["runtime_env"]["env_vars"]
        assert "gr33n" not in f"{said}{ray.submitted}"
        assert ("MONGO_URI in the environment of Ray's head" in said) is ("gr33n" in uri)
        assert ("MONGO_URI" in sent) is ("gr33n" not in uri)
        assert (FROM_HEAD_VARIABLE in sent) is ("gr33n" in uri)


def test_a_job_that_was_given_no_address_takes_its_heads_or_says_that_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables_of({"MONGO_URI": "mongodb://ana:gr33n@h:1", "WEIGHTS": "/w"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MONGO_URI", "mongodb://ana:gr33n@h:2")
    assert CollectionAddress.find(None, "db", "plants").uri.endswith("h:2")
    monkeypatch.delenv("MONGO_URI")
    with pytest.raises(CollectionError, match="set it in the environment of Ray's head"):
        CollectionAddress.find(None, "db", "plants")
    assert CollectionAddress.find("mongodb://h:3", "db", "plants").uri == "mongodb://h:3"


def test_what_ray_ships_is_small_and_holds_all_that_jobs_need(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    create_package(str(CHECKOUT), package, include_gitignore=True)
    assert package.stat().st_size < MOST_BYTES
    names = zipfile.ZipFile(package).namelist()
    for wanted in (
        "jobs/split_dataset.py",
        "configs/pipeline.yaml",
        "aplantida/export/web/package-lock.json",
        "uv.lock",
    ):
        assert wanted in names
    unwanted = ("runs/", "dist/", ".git/", ".venv/", ".uv/", "tests/", "docs/", ".env")
    assert not [name for name in names if name.startswith(unwanted) or "node_modules/" in name or "__pycache__" in name]


def test_without_git_ignore_files_as_in_the_image_results_and_packages_still_stay(tmp_path: Path) -> None:
    app = tmp_path / "app"
    keep = ("jobs/x.py", ".cache/web/dist-1/page/app.js", "aplantida/distributed/y.py")
    leave = (
        "runs/demo/a",
        "dist/models/b",
        ".venv/c",
        ".env",
        ".cache/web/npm-1/node_modules/d",
        ".cache/e",
        "tests/f.py",
    )
    for name in (*keep, *leave):
        (app / name).parent.mkdir(parents=True, exist_ok=True)
        (app / name).write_text("text")
    (app / ".rayignore").write_bytes((CHECKOUT / ".rayignore").read_bytes())
    create_package(str(app), tmp_path / "package.zip", include_gitignore=True)
    files = {name for name in zipfile.ZipFile(tmp_path / "package.zip").namelist() if not name.endswith("/")}
    assert files == {*keep, ".rayignore"}
