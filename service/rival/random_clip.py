"""A CLIP of given size with random weights in the layout of the transformers library.

Run by the rival's Python:

python random_clip.py FOLDER TOKENIZER.json '{"dimension": 256, "width": 192, "layers": 3, "heads": 3}'
"""

import json
import sys

from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizerFast


def main() -> None:
    """Write the model, its tokenizer and a picture processor."""
    folder, tokenizer_file, size = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
    text = {
        "hidden_size": size["width"],
        "intermediate_size": 4 * size["width"],
        "num_hidden_layers": size["layers"],
        "num_attention_heads": size["heads"],
        "eos_token_id": 49407,
        "bos_token_id": 49406,
    }
    vision = {"hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=size["dimension"])
    tokenizer = CLIPTokenizerFast(
        tokenizer_file=tokenizer_file,
        model_max_length=77,
        bos_token="<|startoftext|>",
        eos_token="<|endoftext|>",
        unk_token="<|endoftext|>",
        pad_token="<|endoftext|>",
    )
    CLIPModel(config).eval().save_pretrained(folder)
    CLIPProcessor(CLIPImageProcessor(), tokenizer).save_pretrained(folder)


if __name__ == "__main__":
    main()
