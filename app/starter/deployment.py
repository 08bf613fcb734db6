"""The files at the root of a new project."""

from collections.abc import Collection

from app.catalog.yaml_writer import scalar_text
from app.starter.filled import filled_in
from app.starter.provider import LOCAL, Provider
from app.starter.shipped import Files

_GUIDE = "https://github.com/banneton/banneton/blob/main/docs/how-to/use-a-provider.md"
_OF_LOCAL = f"""\
  # The model in the package needs no key and no network, and is very small: it shows what works.
  # For answers worth reading name a provider, such as this one, and send the routes there.
  # openai: {{type: openai, preset: openai, api_key: "${{OPENAI_API_KEY}}"}}   # {_GUIDE}"""
_OF_OTHERS = f"  # Where models are. Other providers, and several at once: {_GUIDE}"


def root_files(persona: str, provider: Provider, routes: Collection[str]) -> Files:
    """``banneton.yaml``, ``README.md`` and ``.gitignore``.

    Args:
        persona: The id of the first persona.
        provider: What answers.
        routes: Ids of all routes that content names.
    """
    key = f"export {provider.key}=…   # the key of {provider.id}\n" if provider.key else ""
    port = str(provider.port)
    return {
        ".gitignore": filled_in("gitignore"),
        "README.md": filled_in("README.md", key=key, id=persona, port=port),
        "banneton.yaml": _deployment(provider, routes),
    }


def _deployment(provider: Provider, routes: Collection[str]) -> str:
    backend, model = scalar_text(provider.id), scalar_text(provider.model)
    return filled_in(
        "banneton.yaml",
        comment=_OF_LOCAL if provider.id == LOCAL else _OF_OTHERS,
        backend=provider.line,
        routes="\n".join(
            f"  {scalar_text(name)}: {{backend: {backend}, model: {model}}}"
            for name in sorted(routes)
        ),
        port=str(provider.port),
        prices=_prices(backend, model, is_local=provider.id == LOCAL),
    )


def _prices(backend: str, model: str, *, is_local: bool) -> str:
    of_model = "{input: 0, output: 0}" if is_local else "{input: …, output: …}"
    line = f"prices: {{{backend}: {{{model}: {of_model}}}}}   # USD per million tokens"
    return line if is_local else f"# {line}; without them, cost is not scored"
