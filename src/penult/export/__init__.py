"""A trained model as files that other programs run: one ONNX graph, OpenVINO's IR, a model card. It must not know servers.

In: a model file. Out: files, written only after the graph has answered as `penult predict` does (see `parity`).
"""

from penult.export.formats import FORMATS, Exported, export_model
from penult.export.parity import Parity

__all__ = ["FORMATS", "Exported", "Parity", "export_model"]
