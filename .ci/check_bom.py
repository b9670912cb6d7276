"""Checks a CycloneDX document against its schema, strictly: `python .ci/check_bom.py FILE`."""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(sys.argv[1]).read_text())
if found:
    sys.exit(f"{sys.argv[1]}: {found}")
