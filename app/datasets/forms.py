"""Lines of files, as those who train on them read them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from app.datasets.messages import for_trl
from app.datasets.rows import Kind, Row
from app.datasets.wanted import WORSE_BELOW, Form, Reason, Wanted
from app.domain.conversation import Json


@dataclass(frozen=True, slots=True)
class File:
    """One kind of file of a form. There is one for each part of the split."""

    name: str
    kind: Kind
    line: Callable[[Row, Wanted], Json | Reason]
    """What stands in a line, or why there is none."""


def _sft(row: Row, _wanted: Wanted) -> Json:
    return {"messages": [*row.prompt, *row.chosen]}


def _dpo(row: Row, _wanted: Wanted) -> Json:
    return {"prompt": row.prompt, "chosen": row.chosen, "rejected": row.rejected}


def _rl(row: Row, _wanted: Wanted) -> Json:
    return {"prompt": row.prompt, "completion": row.chosen, "reward": row.reward}


# OpenAI's fine-tuning, https://developers.openai.com/api/docs/guides/supervised-fine-tuning and
# https://developers.openai.com/api/docs/guides/direct-preference-optimization.


def _openai_sft(row: Row, wanted: Wanted) -> Json | Reason:
    return Reason.TOOLS if _calls(row) else _sft(row, wanted)


def _openai_preference(row: Row, _wanted: Wanted) -> Json | Reason:
    if _calls(row):
        return Reason.TOOLS
    return {
        "input": {"messages": row.prompt, "tools": [], "parallel_tool_calls": True},
        "preferred_output": row.chosen,
        "non_preferred_output": row.rejected,
    }


# Hugging Face's TRL, https://huggingface.co/docs/trl/dataset_formats (conversational).


def _trl_completion(row: Row, _wanted: Wanted) -> Json:
    whole = for_trl([*row.prompt, *row.chosen])
    at = len(row.prompt)
    return {"prompt": whole[:at], "completion": whole[at:]}


def _trl_preference(row: Row, _wanted: Wanted) -> Json:
    return {
        "prompt": for_trl(row.prompt),
        "chosen": for_trl(row.chosen),
        "rejected": for_trl(row.rejected),
    }


def _trl_unpaired(row: Row, wanted: Wanted) -> Json | Reason:
    reward = row.reward or 0.0
    if WORSE_BELOW <= reward < wanted.min_satisfaction:
        return Reason.NO_FEEDBACK
    return {**_trl_completion(row, wanted), "label": reward >= wanted.min_satisfaction}


def _trl_prompts(row: Row, _wanted: Wanted) -> Json:
    return {"prompt": for_trl(row.prompt)}


FILES: Mapping[Form, tuple[File, ...]] = {
    Form.SFT: (File("sft", Kind.SFT, _sft),),
    Form.DPO: (File("dpo", Kind.DPO, _dpo),),
    Form.RL: (File("rl", Kind.RL, _rl),),
    Form.OPENAI: (
        File("sft", Kind.SFT, _openai_sft),
        File("preference", Kind.DPO, _openai_preference),
    ),
    Form.TRL: (
        File("prompt-completion", Kind.SFT, _trl_completion),
        File("preference", Kind.DPO, _trl_preference),
        File("unpaired-preference", Kind.RL, _trl_unpaired),
        File("prompt-only", Kind.RL, _trl_prompts),
    ),
}


def _calls(row: Row) -> bool:
    messages = (*row.prompt, *row.chosen, *row.rejected)
    return any(each.get("tool_calls") or each["role"] == "tool" for each in messages)


def kinds_of(form: Form) -> Iterator[Kind]:
    """Which rows a form is made of, each kind once."""
    yield from dict.fromkeys(file.kind for file in FILES[form])
