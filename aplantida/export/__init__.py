"""From a checkpoint to what ships: rounded weights, ONNX, SavedModel, TensorFlow.js, the bundle, and its proof."""
