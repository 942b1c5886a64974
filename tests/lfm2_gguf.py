"""The tiny random LFM2 of the tests as a GGUF file: llama.cpp and transformers compute the same model."""

import json
from collections.abc import Callable
from pathlib import Path

from gguf import MODEL_ARCH, MODEL_ARCH_NAMES, GGUFWriter, LlamaFileType, TokenType
from gguf import get_tensor_name_map as names_of
from safetensors.torch import load_file


def lfm2_to_gguf(
    folder: Path,  # as `random_lfm2` wrote it: float32, tied embeddings, a byte tokenizer without merges
    file: Path,  # overwritten
    more: Callable[[GGUFWriter], None] = lambda writer: None,  # adds fields
) -> Path:
    "Write the model in `folder` as a float32 GGUF file."
    writer = GGUFWriter(file, MODEL_ARCH_NAMES[MODEL_ARCH.LFM2])
    config = json.loads((folder / "config.json").read_text())
    weights = load_file(folder / "model.safetensors")
    _shape(writer, config, weights["model.layers.0.feed_forward.w1.weight"].shape[0])
    _tokenizer(writer, folder)
    more(writer)
    names = names_of(MODEL_ARCH.LFM2, config["num_hidden_layers"])
    for name, weight in weights.items():
        stem, _, ending = name.rpartition(".")
        flat = weight.squeeze(1) if stem.endswith("conv.conv") else weight  # (hidden, 1, length)
        writer.add_tensor(f"{names.get_name(stem)}.{ending}", flat.float().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def _shape(writer: GGUFWriter, config: dict, feed_forward: int) -> None:
    kv = [config["num_key_value_heads"] * (kind != "conv") for kind in config["layer_types"]]
    writer.add_file_type(LlamaFileType.ALL_F32)
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(feed_forward)  # transformers rounds what the config says
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(kv)  # none: a layer of short convolutions
    writer.add_rope_freq_base(config["rope_parameters"]["rope_theta"])
    writer.add_layer_norm_rms_eps(config["norm_eps"])
    writer.add_shortconv_l_cache(config["conv_L_cache"])
    writer.add_vocab_size(config["vocab_size"])


def _tokenizer(writer: GGUFWriter, folder: Path) -> None:
    known = json.loads((folder / "tokenizer.json").read_text())
    special = {t["content"] for t in known["added_tokens"] if t["special"]}
    tokens = sorted(known["model"]["vocab"], key=known["model"]["vocab"].get)
    config = json.loads((folder / "config.json").read_text())
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if t in special else TokenType.NORMAL for t in tokens])
    writer.add_token_merges([f"{tokens[0]} {tokens[0]}"])  # one that never happens: there must be one
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(True)
    writer.add_chat_template((folder / "chat_template.jinja").read_text())
