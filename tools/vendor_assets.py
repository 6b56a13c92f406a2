#!/usr/bin/env python3
"""The browser libraries shipped with the pages: fetched, checked, listed.

Run it after changing ``PACKAGES``; it needs npm and a network. Whoever installs ganforge needs
neither: what it writes is committed.
"""

import base64
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "services/coordinator/ganforge_coordinator/web/static/vendor"
DOCS = ROOT / "services/chassis/ganforge_chassis/static/vendor"
THIRD_PARTY = ROOT / "THIRD_PARTY.md"


@dataclass(frozen=True)
class Package:
    """One pinned package."""

    home: Path
    name: str
    version: str
    licence: str
    what: str
    integrity: str
    files: tuple[str, ...]


PACKAGES = (
    Package(
        home=PAGES,
        name="uplot",
        version="1.6.32",
        licence="MIT",
        what="draws the losses",
        integrity="sha512-KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/"
        "ep3tOkyTxpiQIw==",
        files=("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    Package(
        home=DOCS,
        name="swagger-ui-dist",
        version="5.35.0",
        licence="Apache-2.0",
        what="shows the HTTP API at /docs",
        integrity="sha512-U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGar"
        "TNNHC3sU8yVUQ==",
        files=("swagger-ui-bundle.js", "swagger-ui.css", "LICENSE", "NOTICE"),
    ),
)


def main() -> int:
    """Fetch every package and write the list of what is shipped."""
    for home in (PAGES, DOCS):
        listed = [vendor(package) for package in PACKAGES if package.home == home]
        (home / "vendor.json").write_text(json.dumps(listed, indent=2) + "\n")
    THIRD_PARTY.write_text(third_party())
    return 0


def vendor(package: Package) -> dict[str, object]:
    """Put one package's files into place and say what they are."""
    content = fetch(package)
    folder = package.home / f"{package.name}-{package.version}"
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for path in package.files:
            member = archive.extractfile(f"package/{path}")
            if member is None:
                raise SystemExit(f"{package.name}: there is no file {path}")
            data = member.read()
            (folder / Path(path).name).write_bytes(data)
            digests[Path(path).name] = hashlib.sha256(data).hexdigest()
    return {
        "name": package.name,
        "version": package.version,
        "licence": package.licence,
        "integrity": package.integrity,
        "sha256": digests,
    }


def fetch(package: Package) -> bytes:
    """Fetch the package as it was published.

    Raises:
        SystemExit: the bytes are not the pinned ones.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        (file,) = Path(folder).glob("*.tgz")
        content = file.read_bytes()
    found = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if found != package.integrity:
        raise SystemExit(f"{package.name}: fetched {found}, pinned is {package.integrity}")
    return content


def third_party() -> str:
    """Tell people what is shipped that others wrote."""
    lines = [
        "# Third-party code shipped with ganforge",
        "",
        "The pages ship these files, unchanged, each beside its licence;",
        "`tools/vendor_assets.py` fetches them, and `vendor.json` beside them lists their SHA-256.",
        "",
        "| name | version | licence | what for | where |",
        "|---|---|---|---|---|",
    ]
    for package in PACKAGES:
        where = package.home.relative_to(ROOT) / f"{package.name}-{package.version}"
        lines.append(
            f"| {package.name} | {package.version} | {package.licence} | {package.what} "
            f"| `{where}` |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
