"""Writes the Pod of a rendered StatefulSet, and the ConfigMaps that it uses, as `podman play kube` runs them on one machine.

Podman has no StatefulSets, no `emptyDir` before version 4.5, and no probes over HTTP without a shell in the image. It shares
the network of the machine, so its REST API needs a port of its own. Everything else is as the chart says. Arguments: the rendered file, a
folder with `connectors.d`, `state` and `data`, and the port.
"""

import sys
from pathlib import Path

import yaml

rendered, folder, port = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
objects = list(yaml.safe_load_all(Path(rendered).read_text()))
template = next(one for one in objects if one["kind"] == "StatefulSet")["spec"]["template"]
maps = {one["metadata"]["name"]: one for one in objects if one["kind"] == "ConfigMap"}
maps["tidegate-connectors"]["data"] = {file.name: file.read_text() for file in (folder / "connectors.d").iterdir()}

spec = template["spec"]
spec["hostNetwork"] = True
# Names of Pods of a StatefulSet end with a number.
name = "tidegate-0"
for volume in spec["volumes"]:
    if volume.pop("emptyDir", None) is not None:
        path = folder / ("state" if volume["name"] == "state" else "data")
        volume["hostPath"] = {"path": str(path), "type": "Directory"}
[container] = spec["containers"]
container["args"] = [argument.replace(":8083", f":{port}") for argument in container["args"]]
del container["ports"]
for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
    del container[probe]
for variable in container["env"]:
    if "valueFrom" in variable:
        del variable["valueFrom"]
        variable["value"] = name
# The connectors of the test write there.
container["volumeMounts"].append({"name": "tmp", "mountPath": "/data"})
pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": template["metadata"]["labels"]}, "spec": spec}
print(yaml.safe_dump_all([*maps.values(), pod]))
