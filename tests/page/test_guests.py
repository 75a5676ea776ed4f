"""A guest with manners: beside a host's TF.js, beside another bundle, under strict policies, from another origin."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from aplantida.export.web_build import node_modules
from aplantida.predict import predict
from tests.fixtures.bundle import write_bundle
from tests.fixtures.pages import named, names_of, settled
from tests.fixtures.web_host import WebHost

POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self' blob:"
TRUSTED = f"{POLICY}; require-trusted-types-for 'script'; trusted-types aplantida"
# a host's own TF.js on a backend of its choice, and what it computes with it
HOSTS_TF = """async (backend) => {
  for (const name of ["tf-core.min.js", `tf-backend-${backend}.min.js`]) {
    await new Promise((resolve, reject) => {
      const script = Object.assign(document.createElement("script"), { src: "/tf/" + name });
      script.onload = resolve; script.onerror = reject;
      document.head.append(script);
    });
  }
  tf.wasm?.setWasmPaths("/tf/");
  if (backend === "wasm") tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  await tf.setBackend(backend);
  await tf.ready();
}"""
HOST_COMPUTES = """() => {
  const answer = tf.tidy(() => Array.from(tf.square(tf.tensor1d([1, 2, 3])).dataSync()));
  return [tf.getBackend(), answer];
}"""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that names other plants."""
    return write_bundle(tmp_path_factory.mktemp("other") / "bundle", seed=5, num_classes=24, image_size=64)


@pytest.fixture(scope="module")
def tfjs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TF.js as a host would ship it."""
    packages = node_modules() / "@tensorflow"
    folder = tmp_path_factory.mktemp("tfjs")
    for file in (*packages.glob("tfjs-backend-wasm/dist/*.wasm"), *packages.glob("*/dist/tf-*.min.js")):
        shutil.copyfile(file, folder / file.name)
    return folder


@pytest.fixture
def host(bundle: Path, other: Path, tfjs: Path, photo: Path) -> Iterator[WebHost]:
    with WebHost(bundle, "/one/") as host:
        host.roots |= {"/two/": other, "/tf/": tfjs, "/photos/": photo.parent}
        yield host


def ask(page: Page, photo: Path, folder: str = "/one/", **options: Any) -> dict[str, Any]:
    return names_of(page, folder, f"/photos/{photo.name}", **options)


@pytest.mark.parametrize("worker", [True, False])
@pytest.mark.parametrize("first", ["host", "guest"])
@pytest.mark.parametrize("backend", ["wasm", "cpu"])
def test_a_hosts_tfjs_and_ours_do_not_meet(
    host: WebHost, page: Page, photo: Path, names: list[str], worker: bool, first: str, backend: str
) -> None:
    page.goto(host.origin)
    if first == "host":
        page.evaluate(HOSTS_TF, backend)
    before = set(page.evaluate("Object.getOwnPropertyNames(globalThis)"))
    found = ask(page, photo, worker=worker)
    assert found["names"] == names
    assert found["thread"] == ("worker" if worker else "main")
    assert set(page.evaluate("Object.getOwnPropertyNames(globalThis)")) == before
    if first == "guest":
        page.evaluate(HOSTS_TF, backend)
    assert page.evaluate(HOST_COMPUTES) == [backend, [1, 4, 9]]
    assert ask(page, photo, worker=worker)["names"] == names


@pytest.mark.parametrize("worker", [True, False])
def test_two_bundles_on_one_page_answer_each_for_itself(
    host: WebHost, page: Page, photo: Path, names: list[str], other: Path, worker: bool
) -> None:
    page.goto(host.origin)
    found = page.evaluate(
        """async ([photo, worker]) => {
          const folders = ["/one/", "/two/"];
          const modules = await Promise.all(folders.map((folder) => import(folder + "classifier.js")));
          const both = await Promise.all(modules.map((one, at) => one.load(folders[at], { worker })));
          const blob = await (await fetch(photo)).blob();
          const ask = (one) => one.classify(blob).then(({ top }) => top.map((item) => item.scientific_name));
          const answers = [await Promise.all(both.map(ask))];
          both[0].dispose();
          return [...answers[0], await ask(both[1])];
        }""",
        [f"/photos/{photo.name}", worker],
    )
    others = [item["scientific_name"] for item in next(predict(other, [str(photo)]))["top"]]
    assert found == [names, others, others]
    assert names != others


@pytest.mark.parametrize(
    ("policy", "thread"),
    [(POLICY, "worker"), (TRUSTED, "worker"), (POLICY.replace(" blob:", ""), "main")],
    ids=["strict", "trusted types", "no blob"],
)
def test_under_a_strict_policy(
    host: WebHost, page: Page, photo: Path, names: list[str], policy: str, thread: str
) -> None:
    host.headers["Content-Security-Policy"] = policy
    page.goto(host.origin)
    for _ in range(2):  # a page may load a bundle twice
        found = ask(page, photo)
        assert found["names"] == names
        assert found["thread"] == thread


def test_two_bundles_under_trusted_types(host: WebHost, page: Page, photo: Path, names: list[str], other: Path) -> None:
    host.headers["Content-Security-Policy"] = f"{TRUSTED} 'allow-duplicates'"
    page.goto(host.origin)
    assert ask(page, photo) == {"names": names, "thread": "worker", "version": "v1.0"}
    assert ask(page, photo, "/two/")["thread"] == "worker"


@pytest.mark.parametrize("worker", [True, False])
def test_a_policy_that_forbids_webassembly_is_said(host: WebHost, page: Page, worker: bool) -> None:
    host.headers["Content-Security-Policy"] = POLICY.replace(" 'wasm-unsafe-eval'", "")
    page.goto(host.origin)
    code, message = page.evaluate(
        "async (worker) => (await import('/one/classifier.js')).load('/one/', { worker })"
        ".catch((error) => [error.code, error.message])",
        worker,
    )
    assert code == "csp"
    assert "'wasm-unsafe-eval'" in message
    assert "script-src" in message


def test_from_another_origin(bundle: Path, page: Page, photo: Path, names: list[str]) -> None:
    with WebHost(bundle, "/cdn/plants/") as cdn, WebHost(photo.parent, "/photos/") as host:
        cdn.headers["Access-Control-Allow-Origin"] = "*"
        page.goto(host.origin)
        for worker in (True, False):
            found = ask(page, photo, cdn.url, worker=worker)
            assert found["names"] == names
            assert found["thread"] == ("worker" if worker else "main")


def test_in_a_hosts_worker_and_without_a_last_slash(host: WebHost, page: Page, photo: Path, names: list[str]) -> None:
    host.extra["/worker.js"] = (
        "text/javascript",
        f"""import {{ load }} from "/one/classifier.js";
        const classifier = await load("./one");
        const blob = await (await fetch("/photos/{photo.name}")).blob();
        postMessage((await classifier.classify(blob)).top.map((item) => item.scientific_name));""",
    )
    page.goto(host.origin)
    found = page.evaluate("""() => new Promise((resolve, reject) => {
      const worker = new Worker("/worker.js", { type: "module" });
      worker.onmessage = ({ data }) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
    })""")
    assert found == names


@pytest.mark.parametrize("path", ["/apps/plants", "/apps/plants/", "/apps/plants/index.html"])
def test_the_page_under_any_path_with_or_without_a_slash(bundle: Path, page: Page, path: str) -> None:
    with WebHost(bundle, "/apps/plants/") as host:
        page.goto(host.origin + path)
        page.wait_for_function("() => document.documentElement.dataset.view === 'ready'", timeout=60_000)
        assert settled(page) == "ready"


def test_the_page_under_a_hosts_header(bundle: Path, page: Page, photo: Path, names: list[str]) -> None:
    """A header that knows nothing of the page's inline script, which then does not run."""
    with WebHost(bundle, "/apps/plants/") as host:
        rest = "img-src 'self' blob:; style-src 'self'; manifest-src 'self'"
        host.headers["Content-Security-Policy"] = f"{POLICY}; {rest}"
        page.goto(host.url)
        assert settled(page) == "ready"
        assert named(page, photo) == names


# a frame without allow-same-origin: it may not even ask for what the browser would keep
SANDBOX = """async ([origin, options, photo]) => {
  const frame = document.createElement("iframe");
  frame.sandbox = "allow-scripts";
  frame.srcdoc = `<script type="module">
    const said = async () => {
      const { load, clear, status } = await import("${origin}/one/classifier.js");
      const classifier = await load("${origin}/one/", ${JSON.stringify(options)});
      const blob = await (await fetch("${origin}/photos/${photo}")).blob();
      const { top } = await classifier.classify(blob);
      await clear("${origin}/one/");
      return [top.map((item) => item.scientific_name), (await status("${origin}/one/")).trouble];
    };
    parent.postMessage(await said().catch((error) => String(error)), "*");
  </script>`;
  document.body.append(frame);
  return new Promise((resolve) => addEventListener("message", ({ data }) => resolve(data), { once: true }));
}"""


@pytest.mark.parametrize("options", [{}, {"keep": False}, {"worker": False}], ids=str)
def test_in_a_sandboxed_frame(
    host: WebHost, page: Page, photo: Path, names: list[str], options: dict[str, bool]
) -> None:
    host.headers["Access-Control-Allow-Origin"] = "*"
    page.goto(host.origin)
    assert page.evaluate(SANDBOX, [host.origin, options, photo.name]) == [names, "unavailable"]


def test_tidying_up_that_fails_costs_no_model(host: WebHost, page: Page, photo: Path, names: list[str]) -> None:
    page.goto(host.origin)
    page.evaluate("async () => void (await caches.open(`aplantida:${location.origin}/one/:${'0'.repeat(64)}`))")
    page.evaluate("() => void (CacheStorage.prototype.delete = () => Promise.reject(new DOMException('no')))")
    assert ask(page, photo)["names"] == names


def test_what_a_host_does_wrong_when_told_of_progress_is_its_own_error(
    host: WebHost, page: Page, photo: Path, names: list[str]
) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(error.message))
    page.goto(host.origin)
    found = page.evaluate("""async () => {
      const { load } = await import("/one/classifier.js");
      const onProgress = () => { throw new Error("the host's own"); };
      const loaded = await load("/one/", { onProgress }).then(({ version }) => version, ({ code }) => code);
      return [loaded, await new Promise((resolve) => setTimeout(() => resolve("later"), 50))];
    }""")
    assert found == ["v1.0", "later"]
    assert set(errors) == {"the host's own"}


def test_the_page_under_an_address_with_a_user_and_password(
    bundle: Path, page: Page, photo: Path, names: list[str]
) -> None:
    with WebHost(bundle, "/apps/plants/") as host:
        page.goto(host.url.replace("://", "://visitor:secret@"))
        assert settled(page) == "ready"
        assert named(page, photo) == names
        own = "async () => (await import('./classifier.js')).load('./').then(() => 'whole', ({ code }) => code)"
        assert page.evaluate(own) == "whole"
