"""Well-known datasets that can be fetched by name, with the SHA-256 of every file."""

from ganforge_learner.dataset_files.descriptor import Download, DownloadDescriptor


def _files(base: str, **checksums: str) -> DownloadDescriptor:
    """Name the four IDX files of a dataset."""
    files = {
        "train-images-idx3-ubyte.gz": checksums["train_images"],
        "train-labels-idx1-ubyte.gz": checksums["train_labels"],
        "t10k-images-idx3-ubyte.gz": checksums["test_images"],
        "t10k-labels-idx1-ubyte.gz": checksums["test_labels"],
    }
    return DownloadDescriptor(
        type="download",
        files=tuple(Download(url=base + name, sha256=told) for name, told in files.items()),
    )


WELL_KNOWN: dict[str, DownloadDescriptor] = {
    "MNIST": _files(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        train_images="440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        train_labels="3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        test_images="8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        test_labels="f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
    "Fashion-MNIST": _files(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        train_images="3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        train_labels="a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        test_images="346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        test_labels="67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    "CIFAR-10": DownloadDescriptor(
        type="download",
        files=(
            Download(
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
            ),
        ),
    ),
}
