"""From weights to what live reading runs, in a process of its own.

The exporter takes torch apart while it works, and the same program may be training privately at that moment.
"""

import subprocess
import sys

from shared_models.errors import AttuneError, ModelError

_PATIENCE_SECONDS = 600.0


def convert(initial: str, model: str, scheme: str) -> bytes:
    """The streaming step of the weights `initial`, a file or `starter`, as ONNX.

    Raises ModelError where there are no such weights, or they are for another model or scheme.
    """
    command = [sys.executable, "-m", "fl_client.live.convert", initial, model, scheme]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise _not_ready(f"it took more than {_PATIENCE_SECONDS:g} seconds") from error
    except OSError as error:
        raise _not_ready(error.strerror or str(error)) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise _not_ready(said[-1] if said else "its process ended early")
    return done.stdout


def _not_ready(why: str) -> ModelError:
    return ModelError("The model could not be made ready for live reading", why=why)


def main(initial: str, model: str, scheme: str) -> int:
    from shared_models.data.sequences import INPUT_SHAPE
    from shared_models.networks.onnx_export import export_step
    from shared_models.networks.registry import build_model
    from shared_models.networks.starter import initial_model
    from shared_models.networks.streaming import StreamingStep
    from shared_models.resources import use_one_core

    use_one_core()
    try:
        StreamingStep(build_model(model, classes=1))  # a model that does not stream is named before weights are missed
        weights, header, _ = initial_model(initial, model, scheme, INPUT_SHAPE)
        if header.input_shape != INPUT_SHAPE:
            raise ModelError(
                "The weights are for crops of another size", why=f"{header.input_shape}, not {INPUT_SHAPE}"
            )
        step = export_step(weights, header)
    except AttuneError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    sys.stdout.buffer.write(step)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
