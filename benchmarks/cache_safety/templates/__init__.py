"""The hand-written questions. Each stands on a line of its own; its variants follow, indented.

`= kind: …` asks for the same thing, `! kind: …` for another. A variant is a whole question, or `old → new`:
the question above with one piece of it exchanged."""

from importlib import import_module

FIELDS = {
    "dev": ("dev_python", "dev_life", "dev_work"),
    "practice": ("practice_care", "practice_money", "practice_tech", "practice_world"),
    "held_out": ("held_out_python", "held_out_home", "held_out_away", "held_out_work"),
}


def texts(
    split: str,  # `dev`, `practice` or `held_out`
) -> dict[str, str]:  # by field: `python`, `home`, …
    "The templates of a split."
    modules = {name.rpartition("_")[2]: import_module(f"{__name__}.{name}") for name in FIELDS[split]}
    return {field: module.QUESTIONS for field, module in modules.items()}
