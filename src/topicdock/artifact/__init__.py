"""The model directory: what training leaves and serving picks up."""

from topicdock.artifact.model_file import MODEL_NAME, decode_model, encode_model, load_model, save_model

__all__ = ["MODEL_NAME", "decode_model", "encode_model", "load_model", "save_model"]
