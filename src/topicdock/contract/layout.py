"""Where SageMaker puts things and where it looks for them: the only file that knows ``/opt/ml``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

BASE_VARIABLE = "SAGEMAKER_BASE_DIR"
_DEFAULT_BASE = "/opt/ml"


@dataclass(frozen=True)
class Layout:
    """The folders below one base folder, ``/opt/ml`` unless ``SAGEMAKER_BASE_DIR`` moves it."""

    base: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Layout:
        """Return the layout that the environment asks for."""
        return cls(Path(environment.get(BASE_VARIABLE) or _DEFAULT_BASE))

    @property
    def hyperparameters(self) -> Path:
        """The file of hyperparameters, a flat JSON object of strings."""
        return self.base / "input" / "config" / "hyperparameters.json"

    @property
    def input_data_config(self) -> Path:
        """The file that declares the channels."""
        return self.base / "input" / "config" / "inputdataconfig.json"

    @property
    def resource_config(self) -> Path:
        """The file that names this host and its peers."""
        return self.base / "input" / "config" / "resourceconfig.json"

    @property
    def checkpoint_config(self) -> Path:
        """The file that says where checkpoints go, if the job has any."""
        return self.base / "input" / "config" / "checkpointconfig.json"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints go unless the job says something else."""
        return self.base / "checkpoints"

    def channel(self, name: str) -> Path:
        """Return the folder of a channel in File and FastFile mode."""
        return self.base / "input" / "data" / name

    @property
    def model(self) -> Path:
        """What training leaves here becomes model.tar.gz; serving finds it here again."""
        return self.base / "model"

    @property
    def output_data(self) -> Path:
        """What training leaves here becomes output.tar.gz."""
        return self.base / "output" / "data"

    @property
    def failure(self) -> Path:
        """The file whose first 1024 characters become the job's failure reason."""
        return self.base / "output" / "failure"
