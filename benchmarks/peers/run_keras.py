"""keras.applications as its documentation shows it: a reader of a folder, the network's own preprocessing, `predict`.

    python -m peers.run_keras PHOTOS openvino ResNet50        (backends: openvino, tensorflow, torch)

TensorFlow reads with `image_dataset_from_directory`, mapped and prefetched as its guide says; the other backends with
`flow_from_directory`, which needs no TensorFlow. Several networks run one after the other, as in the blog of 2017.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from peers.clock import Clock, tell

BATCH = 32  # Keras's default
MODULES = {"ResNet50": "resnet50", "InceptionV3": "inception_v3", "Xception": "xception"}


def main(photos: str, backend: str, *names: str) -> None:
    """Extract the features of every photo with each network and tell how long it took."""
    os.environ |= {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    clock = Clock()
    import keras
    import numpy as np

    keras.utils.set_random_seed(0)
    models = [getattr(keras.applications, n)(weights=None, include_top=False, pooling="avg") for n in names]

    class Mark(keras.callbacks.Callback):  # type: ignore[misc]
        def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
            clock.batch(min((batch + 1) * BATCH, total))

    total = sum(len(files) for _, _, files in os.walk(photos))
    clock.ready()
    blocks = [
        model.predict(read(keras, photos, backend, name), callbacks=[Mark()], verbose=0)
        for name, model in zip(names, models, strict=True)
    ]
    X = np.concatenate(blocks, axis=1)  # (n, d)
    clock.done()
    tell(
        "keras",
        backend,
        "tensorflow-cpu",
        "numpy",
        **clock.facts(len(X), len(models)),
        shape=X.shape,
        finite=bool(np.isfinite(X).all()),
    )


def read(keras: Any, photos: str, backend: str, name: str) -> Any:
    """Return what `predict` reads its batches from, in the order of the files."""
    preprocess = getattr(keras.applications, MODULES[name]).preprocess_input
    size = (224, 224) if name == "ResNet50" else (299, 299)
    if backend == "tensorflow":
        import tensorflow as tf

        images = keras.utils.image_dataset_from_directory(
            photos, labels=None, image_size=size, batch_size=BATCH, shuffle=False, verbose=False
        )
        return images.map(preprocess, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    reader = keras.src.legacy.preprocessing.image.ImageDataGenerator(preprocessing_function=preprocess)
    return reader.flow_from_directory(photos, size, batch_size=BATCH, class_mode=None, shuffle=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
