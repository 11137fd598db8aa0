"""Random masking of caption tokens, DM-Adapter's text augmentation.

The rule is BERT's (Devlin et al., NAACL 2019, section 3.1: 15 % of the tokens; of these 80 % masked, 10 %
random, 10 % kept). DM-Adapter feeds the masked captions to its retrieval loss; there is no masked-language
loss.
"""

import random

import torch

MASK_ID = 49405
"""Stands in CLIP's vocabulary where its last merge would; all ids above are the start and end of text."""

PROBABILITY = 0.15


def mask_tokens(ids: torch.Tensor, source: random.Random) -> tuple[torch.Tensor, torch.Tensor]:
    """Caption ids (context,) -> masked ids and labels, both (context,) int64; `ids` is left as it is.

    A label is the original id where a token was chosen, else 0. Start, end and padding are never chosen,
    but position 1 is masked if nothing else was. One draw per eligible token decides both whether and how
    it changes.
    """
    masked, labels = ids.tolist(), [0] * len(ids)
    for position, token in enumerate(ids.tolist()):
        if not 0 < token < MASK_ID:
            continue
        draw = source.random()
        if draw < PROBABILITY:
            labels[position] = token
            masked[position] = _replacement(token, draw / PROBABILITY, source)
    if not any(labels):
        labels[1] = masked[1]
        masked[1] = MASK_ID
    return torch.tensor(masked), torch.tensor(labels)


def _replacement(token: int, share: float, source: random.Random) -> int:
    if share < 0.8:
        return MASK_ID
    if share < 0.9:
        return source.choice(range(1, MASK_ID))
    return token
