"""Loading the model a command names, wherever it is: in the package, a folder, the hub, an API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from personalign.cli.console import errors

if TYPE_CHECKING:
    from personalign.model.any_model import Model


def open_model(
    name: str,
    *,
    dtype: str | None = None,
    device: str | None = None,
    quantise: str | None = None,
    base_url: str | None = None,
    key_variable: str | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
    prices: str | None = None,
) -> Model:
    """The model; answers of an API are kept in the user's cache folder.

    Raises ModelError for a model that is not there, and for options of the other kind of model.
    """
    from personalign.dataset.files import cache_folder
    from personalign.errors import ModelError
    from personalign.model.api import PREFIX, ApiModel
    from personalign.model.decoder import Decoder

    here = {"--dtype": dtype, "--device": device, "--quantise": quantise}
    there = {
        "--base-url": base_url,
        "--key-variable": key_variable,
        "--concurrency": concurrency,
        "--timeout": timeout,
        "--prices": prices,
    }
    behind = name.startswith(PREFIX)
    wrong = [option for option, value in (here if behind else there).items() if value is not None]
    if wrong:
        kind = "a model behind an API" if behind else "a model whose weights are loaded here"
        other = "leave it out" if behind else f"name it as {PREFIX}NAME, or leave the option out"
        raise ModelError(f"{wrong[0]} means nothing for {name}, {kind}; {other}.")
    if not behind:
        with errors.status(f"Loading {name}"):
            return Decoder.load(name, dtype=dtype, device=device, quantize=quantise)  # type: ignore[arg-type]
    given: dict[str, Any] = {
        "key_variable": key_variable,
        "concurrency": concurrency,
        "timeout": timeout,
        "prices": None if prices is None else _prices(prices),
    }
    return ApiModel(
        name,
        base_url,
        cache=cache_folder() / "api",
        **{option: value for option, value in given.items() if value is not None},
    )


def tell_usage(model: Model) -> None:
    """Say on stderr what an API was asked for; nothing of a model that is here."""
    from personalign.model.api import ApiModel

    if isinstance(model, ApiModel):
        served = f" It answered as {', '.join(model.served)}." if model.served else ""
        line = f"{model.name}: {model.usage.sentence(model.prices)}{served}"
        errors.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def _prices(text: str) -> tuple[float, float]:
    from personalign.errors import ModelError

    try:
        read, written = (float(part) for part in text.split(","))
    except ValueError:
        read = written = -1.0
    if not (0 <= read < float("inf") and 0 <= written < float("inf")):
        raise ModelError(
            f"The prices {text!r} are not two amounts; write what a million tokens read and a "
            "million written cost, such as --prices 0.15,0.60."
        )
    return read, written
