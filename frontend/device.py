"""Places and devices. wherry runs on the CPU only; asking for another device is refused by name."""

from __future__ import annotations


class CPUPlace:
    """The CPU. All CPUPlaces are equal."""

    def __repr__(self) -> str:
        return "Place(cpu)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CPUPlace)

    def __hash__(self) -> int:
        return hash(CPUPlace)

    def is_cpu_place(self) -> bool:
        return True

    def is_gpu_place(self) -> bool:
        return False


_PLACE = CPUPlace()


def expected_place() -> CPUPlace:
    """The place of every Tensor."""
    return _PLACE


def set_device(device: str | CPUPlace) -> CPUPlace:
    """Choose the device: only "cpu" exists. Raises ValueError for any other."""
    if isinstance(device, CPUPlace) or str(device).lower() == "cpu":
        return _PLACE
    raise ValueError(f"wherry computes on the CPU only: set_device needs 'cpu', got {device!r}")


def get_device() -> str:
    """The name of the current device: "cpu"."""
    return "cpu"


def is_compiled_with_cuda() -> bool:
    """False: wherry has no GPU code."""
    return False
