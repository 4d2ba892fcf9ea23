"""Many requests in one body, put together as one prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sidecar.apis.strict import MAX_VALUES
from sidecar.apis.text import below
from sidecar.errors import InvalidBody
from sidecar.prompt import Prompt, Segment


def combine(
    api: str,
    parts: Sequence[tuple[str, Prompt]],
    rest: Sequence[Segment],
    *,
    body_bytes: int,
    files: int = 0,
    parameters: Mapping[str, object],
) -> Prompt:
    """One prompt of the requests in a batch, each with the path where it stands, and of the `rest` of the body.

    What it asks for is the sum of what they ask for, so that limits are not escaped by asking in bulk; the model is
    None unless they all name the same one. `files` are those that the requests came in. Raises
    InvalidBody(`json_too_many_values`).
    """
    prompts = [prompt for _, prompt in parts]
    if sum(len(prompt.segments) for prompt in prompts) + len(rest) > MAX_VALUES:
        raise InvalidBody("json_too_many_values")
    models = {prompt.model for prompt in prompts}
    limits = [prompt.max_output_tokens for prompt in prompts]
    return Prompt(
        api=api,
        model=models.pop() if len(models) == 1 else None,
        segments=(
            *(
                Segment(segment.role, segment.text, below(path, f".{segment.path}"))
                for path, prompt in parts
                for segment in prompt.segments
            ),
            *rest,
        ),
        max_output_tokens=sum(filter(None, limits)) if limits and None not in limits else None,
        choices=max((prompt.choices for prompt in prompts), default=1),
        messages=sum(prompt.messages for prompt in prompts),
        images=sum(prompt.images for prompt in prompts),
        tools=sum(prompt.tools for prompt in prompts),
        body_bytes=body_bytes,
        files=files + sum(prompt.files for prompt in prompts),
        input_ids=sum(prompt.input_ids for prompt in prompts),
        prefilled=any(prompt.prefilled for prompt in prompts),
        claims_system=any(prompt.claims_system for prompt in prompts),
        parameters=parameters,
    )
