"""Reading a decoder from a folder or the hub, with every refusal a sentence.

transformers only warns where it should stop: missing weights are filled at random, a bias the
class has no place for is dropped, an encoder loads as a decoder. Here each of these is an error.
"""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import torch

from personalign.errors import MissingPackageError, ModelError
from personalign.model.four_bit_cpu import mend_layers

Quantize = Literal["4bit", "8bit"]

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.*", "*.tiktoken", "spiece.model")

POCKET = "pocket"
"""Name of the model in the package."""

CASTING = "bitsandbytes.autograd._functions"
"""The logger that says, at every product with 8-bit weights, that inputs become float16."""

POCKET_FOLDER = Path(__file__).parent / "pocket" / "weights"


def resolve(name: str) -> Path | None:
    """The local folder of a name, or None when it is a name on the hub.

    Raises ModelError when the name is plainly a path and nothing is there, or not a model's folder.
    """
    if name == POCKET:
        if not (POCKET_FOLDER / "config.json").is_file():
            raise ModelError(
                f"The pocket model's weights are not at {POCKET_FOLDER}; install the package with "
                "its data, or train them with `make pocket`."
            )
        return POCKET_FOLDER
    if name.startswith("api:"):
        raise ModelError(
            f"{name} is behind an API, and this needs a model's weights. Name a folder, a model on "
            f"the Hugging Face hub, or '{POCKET}'."
        )
    folder = Path(name).expanduser()
    if folder.exists():
        if not (folder / "config.json").is_file():
            raise ModelError(
                f"{folder} is no model's folder: it has no config.json. Name the folder that "
                "holds config.json, the weights and the tokenizer."
            )
        return folder
    if name.startswith((".", "/", "~", "\\")) or name.count("/") > 1 or not name.strip("/ "):
        raise ModelError(
            f"There is no model folder {name!r}. Give a local folder, a name on the Hugging Face "
            f"hub such as 'meta-llama/Llama-3.1-8B-Instruct', or '{POCKET}'."
        )
    return None


def load_config(source: str) -> Any:
    """The config at a folder or hub name; ModelError unless it is a causal decoder's."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, **_where(source))
    except Exception as error:  # transformers raises OSError, ValueError, KeyError, JSON errors
        raise ModelError(_unreadable(source, "config", error)) from error
    check_causal(config, source)
    return config


def check_causal(config: Any, source: str) -> None:
    """Raise ModelError unless the config is one of a causal decoder."""
    from transformers.models.auto import modeling_auto as auto

    family = getattr(config, "model_type", "") or "unknown"
    advice = "Personalign needs a causal decoder, such as Llama, Qwen or GPT-2."
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{source} is an encoder-decoder ({family}). {advice}")
    if family not in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        raise ModelError(f"{source} is no causal decoder ({family}). {advice}")
    encoder = family in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if encoder and not getattr(config, "is_decoder", False):
        raise ModelError(f"{source} is an encoder ({family}). {advice}")


def load_model(
    source: str,
    config: Any,
    *,
    dtype: str | torch.dtype | None,
    device: str | torch.device | None,
    quantize: Quantize | None,
) -> Any:
    """The model in evaluation mode on its device; ModelError for weights that are not whole."""
    from transformers import AutoModelForCausalLM

    place = pick_device(device)
    settings: dict[str, Any] = {"dtype": pick_dtype(dtype)}
    if quantize is not None:
        settings |= {"quantization_config": _quantisation(quantize), "device_map": {"": place}}
    try:
        with quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                source, config=config, output_loading_info=True, **settings, **_where(source)
            )
            model, report = loaded
    except MissingPackageError:
        raise
    except Exception as error:  # SafetensorError, OSError, RuntimeError on sizes, ValueError, ...
        raise ModelError(_unreadable(source, "weights", error)) from error
    _check_report(model, report, source)
    if quantize is None:
        model = model.to(place)
    mend_layers(model)
    logging.getLogger(CASTING).addFilter(_not_at_every_product)
    return model.eval()


def load_tokenizer(source: str) -> Any:
    """The tokenizer at a folder or hub name; ModelError when there is none."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    folder = Path(source)
    if folder.is_dir() and not any(any(folder.glob(pattern)) for pattern in _TOKENIZER_FILES):
        raise ModelError(
            f"{source} holds no tokenizer ({', '.join(_TOKENIZER_FILES)}). Put the model's "
            "tokenizer.json beside its weights, or name where it is: "
            "Decoder.load(..., tokenizer=FOLDER)."
        )
    reader = PreTrainedTokenizerFast if _is_exact(folder) else AutoTokenizer
    try:
        tokenizer = reader.from_pretrained(source, **_where(source))
    except Exception as error:  # what is raised depends on the tokenizer's kind
        raise ModelError(_unreadable(source, "tokenizer", error)) from error
    if not len(tokenizer):
        raise ModelError(_unreadable(source, "tokenizer", ValueError("it has no vocabulary")))
    return tokenizer


def _is_exact(folder: Path) -> bool:
    """Whether a local tokenizer.json is to be read as it stands, as its config says.

    AutoTokenizer goes by the model's family instead for some (qwen2, say), and splits text by that
    family's rules, whatever tokenizer the model was trained with.
    """
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
        named = config.get("tokenizer_class")
    except (OSError, ValueError, AttributeError):
        return False
    exact = named in ("TokenizersBackend", "PreTrainedTokenizerFast")
    return exact and (folder / "tokenizer.json").is_file()


def pick_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; None is the GPU where there is one, else the CPU."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        place = torch.device(device)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"The device {device!r} cannot be used here ({first_line(error)}); name 'cpu', or "
            "leave it out to use the GPU where there is one."
        ) from error
    return place


def pick_dtype(dtype: str | torch.dtype | None) -> torch.dtype | str:
    """The dtype asked for; None is the checkpoint's own ('auto')."""
    if dtype is None:
        return "auto"
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise ModelError(
            f"The dtype {dtype!r} is not known; name 'float32', 'bfloat16' or 'float16', or leave "
            "it out to use the checkpoint's own."
        )
    return found


def _quantisation(quantize: str) -> Any:
    if quantize not in ("4bit", "8bit"):
        raise ModelError(f"The quantisation {quantize!r} is not known; name '4bit' or '8bit'.")
    for package in ("bitsandbytes", "accelerate"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingPackageError(package, "quantise", f"Loading in {quantize}") from error
    from transformers import BitsAndBytesConfig

    if quantize == "8bit":
        return BitsAndBytesConfig(load_in_8bit=True)
    return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4")


def _not_at_every_product(record: logging.LogRecord) -> bool:
    """A filter of that logger: a server's log would have nothing else in it."""
    return "inputs will be cast" not in str(record.msg)


def _check_report(model: Any, report: dict[str, Any], source: str) -> None:
    missing = sorted(report.get("missing_keys") or ())
    if missing:
        raise ModelError(
            f"The weights at {source} are incomplete: {len(missing)} tensors are missing, "
            f"{missing[0]} among them. Fetch or copy the model again."
        )
    mismatched = sorted(map(str, report.get("mismatched_keys") or ()))
    if mismatched:
        raise ModelError(
            f"The weights at {source} do not fit its config: {mismatched[0]} has another shape."
        )
    from personalign.model.heads import find_heads

    biases = {f"{path}.bias" for path in find_heads(model).paths}
    dropped = sorted(biases & set(report.get("unexpected_keys") or ()))
    if dropped:
        raise ModelError(
            f"The weights at {source} hold biases that {type(model).__name__} has no place for "
            f"({dropped[0]}): a baked persona would be lost. Load it as the class it was saved "
            "for (config.json: architectures, attention_bias)."
        )


def _where(source: str) -> dict[str, Any]:
    """A local folder is never looked up on the network, and a model's own code is never run."""
    return {"local_files_only": Path(source).exists(), "trust_remote_code": False}


def _unreadable(source: str, what: str, error: Exception) -> str:
    local = Path(source).exists()
    advice = (
        "The file is missing, corrupt or truncated; fetch or copy the model again."
        if local
        else "It is no local folder; check the name, the network and your access on the hub."
    )
    return f"The {what} of {source} cannot be read: {first_line(error)} {advice}"


def first_line(error: BaseException) -> str:
    """The first line of what an error says, as a sentence."""
    lines = str(error).strip().splitlines()
    line = lines[0].strip() if lines else type(error).__name__
    return line if line.endswith((".", "!", "?")) else line + "."


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """transformers' load report and progress bar off; what matters of them is checked here."""
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
