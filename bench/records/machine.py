"""Where it was measured: what must be equal for results to be compared."""

from __future__ import annotations

from bench.records.record import Record


class Gpu(Record, frozen=True):
    """What an NVIDIA GPU is and is set to, by torch and by its driver. No UUID, no serial number.

    Attributes:
        sm_count: streaming multiprocessors.
        compute_capability: such as `9.0`.
        mig: whether it is cut into instances; the run then had one of them.
        compute_mode: `default`, `exclusive process` or `prohibited`.
        power_limit_watts: that the driver enforces.
        max_sm_mhz: highest clock of the multiprocessors.
        max_memory_mhz: highest clock of the memory.
        ecc: whether memory errors are corrected.
        pcie: the widest link it can have here, such as `4.0 x16`.
    """

    sm_count: int | None = None
    compute_capability: str | None = None
    mig: bool | None = None
    compute_mode: str | None = None
    power_limit_watts: float | None = None
    max_sm_mhz: int | None = None
    max_memory_mhz: int | None = None
    ecc: bool | None = None
    pcie: str | None = None


class TorchSettings(Record, frozen=True, omit_defaults=False):
    """Switches of torch that change speed or results, as they were.

    `matmul_precision` is that of float32 products. `allocator` holds the options of the
    accelerator's allocator, as its environment variable gives them.
    """

    matmul_precision: str
    cudnn_tf32: bool
    cudnn_benchmark: bool
    deterministic: bool
    allocator: str | None


class Machine(Record, frozen=True):
    """The fingerprint that says which results may be compared.

    Attributes:
        name: as results show it: the accelerator's, or the processor's with its cores.
        cores: physical ones that the run could use; `processors` counts hyper-threads too.
        quota: processors that the container's limit amounts to.
        cpu_capability: the widest instructions that torch uses, such as `AVX512`.
        build: what torch was built with.
    """

    name: str
    cpu: str
    cores: int
    memory_bytes: int
    os: str
    python: str
    torch: str
    torchvision: str
    blas: str
    accelerator: str | None = None
    accelerator_memory_bytes: int | None = None
    cuda: str | None = None
    cudnn: str | None = None
    driver: str | None = None
    processors: int | None = None
    quota: float | None = None
    cpu_capability: str | None = None
    build: str | None = None
    settings: TorchSettings | None = None
    gpu: Gpu | None = None
