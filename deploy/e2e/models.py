"""Where the model comes from: a claim and an address, besides the image itself."""

import hashlib
import io
import json
import tarfile
import tempfile
from pathlib import Path

from tools import (
    BASE,
    HELM,
    NAMESPACE,
    ROOT,
    SERVICE,
    apply,
    fails,
    forwarded,
    kubectl,
    pod,
    require,
    require_restored,
    say,
    settle,
    sh,
    upgrade,
    write_claim,
)

CONTROL_PLANE = '{"node-role.kubernetes.io/control-plane":""}'
ON_CONTROL_PLANE = f"--set-json 'nodeSelector={CONTROL_PLANE}' --set tolerations[0].operator=Exists"


def fill_claim() -> None:
    """Put a Bundle called from-claim into a PersistentVolumeClaim."""
    code = (
        "import json, pathlib, shutil; shutil.copytree('/srv/deploy/model', '/claim/mnist/1');"
        "manifest = pathlib.Path('/claim/mnist/1/manifest.json');"
        "manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {'name': 'from-claim'}))"
    )
    write_claim("models", NAMESPACE, "64Mi", code)


def models() -> None:
    """Serve a model from a claim and from an address; refuse an archive of another sha256."""
    upgrade(f"--set model.source=claim,model.claim.name=models,model.path=mnist/1 {ON_CONTROL_PLANE}")
    require(served_model() == "from-claim", "the claim's model is served")
    say("a PersistentVolumeClaim's model is served")
    address, sha256 = publish_archive()
    allowed = [{"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "load"}}}]}]
    source = (
        f"--set model.source=url,model.url.address={address} --set-json 'networkPolicy.egress={json.dumps(allowed)}'"
    )
    upgrade(f"{source} --set model.url.sha256={sha256}")
    require(served_model() == "from-address", "the address' model is served")
    broken = f"{HELM} upgrade {BASE} --namespace {NAMESPACE} --wait --timeout 15s --rollback-on-failure"
    fails(f"{broken} {source} --set model.url.sha256={'0' * 64}")
    require_restored(NAMESPACE)
    require(served_model() == "from-address", "the address' model is served still")
    say("an address' model is served; with another sha256 the rollout halts and is rolled back")
    runtime = sh("kubectl get nodes --output jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}")
    say(f"not shown: a pod with a model from an image volume, which needs containerd 2.1; these nodes run {runtime}")
    upgrade()


def served_model() -> str:
    settle()
    with forwarded(f"deployment/{SERVICE}", 5000) as ask:
        return str(json.loads(ask("GET", "/model")[1])["name"])


def publish_archive() -> tuple[str, str]:
    """Serve the champion, called from-address, as a .tar.gz inside the cluster; give its address and sha256."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path in (ROOT / "deploy/model").iterdir():
            content = path.read_bytes()
            if path.name == "manifest.json":
                content = json.dumps(json.loads(content) | {"name": "from-address"}).encode()
            member = tarfile.TarInfo(path.name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "bundle.tgz").write_bytes(data.getvalue())
        kubectl(f"create configmap archive --from-file {folder}/bundle.tgz", "load")
    apply(pod("archive", "load", ["-m", "http.server", "8000", "--directory", "/e2e"], "archive"))
    kubectl("wait --for=condition=Ready pod/archive --timeout 60s", "load")
    address = kubectl("get pod archive --output jsonpath={.status.podIP}", "load")
    return f"http://{address}:8000/bundle.tgz", hashlib.sha256(data.getvalue()).hexdigest()
