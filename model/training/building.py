"""The network that a run starts from, and whether it can be trained as the recipe says."""

from pydantic import ValidationError
from torch.nn.modules.batchnorm import _BatchNorm

from model.adapters.full import FullConfig
from model.config import EncoderConfig
from model.embedder import open_encoder
from model.encoder import PersonEncoder
from model.errors import ConfigError
from model.tokenizer import Tokenizer
from model.training.distributed import Team
from model.training.recipe import Recipe


def build_encoder(recipe: Recipe) -> tuple[PersonEncoder, str | None]:
    """A new encoder, or the recipe's adapter on the backbone of an earlier one and that one's fingerprint."""
    if recipe.encoder is not None:
        return PersonEncoder(recipe.encoder), None
    assert recipe.initial is not None  # the recipe holds that one of the two is given
    earlier, fingerprint = open_encoder(recipe.initial)
    adapter = recipe.adapter or FullConfig().model_dump()
    try:
        config = EncoderConfig.model_validate(earlier.config.model_dump() | {"adapter": adapter})
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"The recipe's adapter does not fit {recipe.initial}: {reason}; "
            "change it with --set adapter.NAME=VALUE."
        ) from error
    encoder = PersonEncoder(config)
    encoder.visual.load_state_dict(earlier.visual.state_dict())
    encoder.text.load_state_dict(earlier.text.state_dict())
    encoder.adapter.backbone_loaded(encoder.text.token_embedding.get_parameter("weight"))
    return encoder, fingerprint


def require_possible(recipe: Recipe, encoder: PersonEncoder, team: Team) -> None:
    """Raise ConfigError for captions without a place in the network, and for what cannot be computed in
    parts or on this device."""
    words, known = encoder.config.backbone.text.vocabulary_size, Tokenizer().end_id + 1
    if words < known:
        raise ConfigError(
            f"The network has {words} words and captions are made of {known}; give "
            f"encoder.backbone.text.vocabulary_size = {known}, or leave it out."
        )
    if recipe.batch_size < team.size:
        raise ConfigError(
            f"A batch of {recipe.batch_size} is too small for {team.size} processes; raise batch_size or "
            "start fewer."
        )
    statistics = any(isinstance(module, _BatchNorm) for module in encoder.modules())
    divided = team.size > 1 or recipe.micro_batch is not None
    if statistics and divided and encoder.adapter.trains_backbone:
        raise ConfigError(
            "A network with batch normalisation, such as a convolutional stem, trains in one process and "
            "without micro_batch, since its statistics are those of whole batches."
        )
    if recipe.precision == "float16" and team.device.type != "cuda":
        raise ConfigError("precision = 'float16' needs a CUDA device; use 'bfloat16' or 'float32' here.")
    if recipe.neutral_unseen_words and team.size > 1:
        raise ConfigError("neutral_unseen_words needs a run of one process; start it without torchrun.")
