"""`paddle.utils.download`: files that are already there; wherry downloads nothing."""

from __future__ import annotations

from pathlib import Path

WEIGHTS_HOME = "~/.cache/paddle/hapi/weights"


def get_path_from_url(
    url: str, root_dir: str, md5sum: str | None = None, check_exist: bool = True,
    decompress: bool = True, method: str = "get",
) -> str:  # fmt: skip
    """Where the file of a URL lies in a folder. Raises FileNotFoundError if it is not there."""
    path = Path(root_dir).expanduser() / url.rsplit("/", 1)[-1]
    if not path.exists():
        raise FileNotFoundError(
            f"{path} is not there, and wherry downloads nothing: fetch {url} and put it there"
        )
    return str(path)


def get_weights_path_from_url(url: str, md5sum: str | None = None) -> str:
    """Where the weights of a URL lie in Paddle's cache. Raises FileNotFoundError if they do not."""
    return get_path_from_url(url, WEIGHTS_HOME, md5sum)


__all__ = ["get_path_from_url", "get_weights_path_from_url"]
