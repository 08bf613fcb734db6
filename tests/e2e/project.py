"""A small project of the tests' own: every action once, for words that nobody says by chance."""

from pathlib import Path

_BANNETON = """
backends:
  model: {{type: openai, base_url: "{base_url}", api_key: "${{MODEL_KEY}}"}}
  embedder: {{type: openai, base_url: "{base_url}", api_key: "${{MODEL_KEY}}"}}
  impatient:
    {{type: openai, base_url: "{base_url}", timeouts: {{first_token_ms: 300, total_ms: 600}}}}
  nowhere: {{type: openai, base_url: "http://127.0.0.1:9/v1"}}
routes:
  balanced: {{backend: model, model: served-model}}
  hurried: {{backend: impatient, model: served-model}}
  nowhere: {{backend: nowhere, model: served-model}}
  vectors: {{backend: embedder, model: served-embedder}}
  pictures: {{backend: model, model: served-painter}}
"""

_POLICY = """
audiences: {strictest_first: [minor, public, professional], default: public}
media:
  images:
    types: [image/png, image/jpeg]
    max_bytes: 99
    max_count: 3
    hosts: [example.com]
    strictest_audience: public
  files: {types: [application/pdf], max_bytes: 99, max_count: 3, strictest_audience: public}
  answers:
    images: {types: [image/png], max_bytes: 2000, max_count: 4, strictest_audience: public}
rules:
  - id: personal-data
    stages: [input, tool_result]
    detect: %s
    then: pseudonymize
  - id: codename
    stages: [input, tool_result]
    detect: {patterns: {patterns: [{id: codename, regex: 'agent "[a-z]{1,20}"'}]}}
    then: pseudonymize
  - id: credentials
    stages: [input, tool_result, tool_call, output]
    detect: secrets
    then: mask
  - id: banned-question
    stages: [input, tool_result]
    detect: {words: {words: [ask-banned]}}
    then: block
  - id: banned-answer
    stages: [output, tool_call]
    detect: {words: {words: [say-banned]}}
    then: block
  - id: for-a-person
    stages: [input, output]
    detect: {words: {words: [needs-person]}}
    then: escalate
  - id: grown-up
    stages: [input]
    detect: {words: {words: [grown-up]}}
    then: {minor: block, public: flag, professional: allow}
  - id: advice
    stages: [output]
    detect: {words: {words: [you-should-buy]}}
    then: steer
    append: " This is not advice."
  - id: rude
    stages: [output]
    detect: {words: {words: [darn]}}
    then: mask
"""

PII = "{pii: {entities: [EMAIL_ADDRESS, PHONE_NUMBER, CREDIT_CARD]}}"
MAIL_PATTERN = (
    "{patterns: {patterns: [{id: EMAIL_ADDRESS, regex: '[a-z.]{1,30}@[a-z]{1,30}\\.[a-z]{2,6}'}]}}"
)
"""Enough where loading the detector of personal data would only take time."""

_PERSONA = """
name: Lexi
owner: tests
prompt: assistant
policy: root
route: balanced
identity: {role: explainer}
behaviours:
  - {id: numbered, instruct: Number your steps.}
scenarios:
  review: {instruct: Begin with the costs.}
variables:
  customer: {type: string, max_length: 80, default: ""}
sampling: {temperature: {default: 0.25, max: 0.75}}
replies:
  block: {en: Lexi cannot help with that., zh: 这个我帮不上忙。}
  escalate: {en: Lexi asks a colleague., zh: 这个转给同事。}
  unchecked: {en: Lexi cannot check that now., zh: 现在没法检查。}
variants:
  - {id: brisk, percent: 0, set: {name: Rex}}
"""

_PROMPT = """You are {{ persona.name }}, {{ identity.role }}.
{% for behaviour in behaviours %}
{{ behaviour.instruct }}
{% endfor %}
{% if scenario and scenario.instruct %}
{{ scenario.instruct }}
{% endif %}
{% for variable in variables %}
{{ variable.name }}: {{ variable.value }}
{% endfor %}
"""

_CONDUCT = """
extends: lexi
name: Con
behaviours:
  - id: numbered
    verify: {pattern: '(?m)^1[.]'}
    on_fail: retry
    then: steer
    append: " (unnumbered)"
  - id: no-shouting
    instruct: Never write in capitals.
    verify: {words: [SHOUTED], expect: absent}
    on_fail: block
"""

PERSONAS = {
    "lexi": _PERSONA,
    "curt": "extends: lexi\nname: Curt\non_block: error\n",
    "layered": "extends: lexi\nname: Lay\nsystem_messages: below\n",
    "keeper": "extends: lexi\nname: Keep\npolicy: keeping\nsystem_messages: below\n",
    "hurried": "extends: lexi\nname: Hurry\nroute: hurried\n",
    "stranded": "extends: lexi\nname: Strand\nroute: nowhere\n",
    "conduct": _CONDUCT,
    "several": "extends: lexi\nname: Sev\nsampling: {choices: {max: 3}}\n",
    "severe": "extends: several\nname: Sever\non_block: error\n",
    "painter": "extends: conduct\nname: Paint\nimages: {route: pictures}\n",
    "styled": 'extends: painter\nimages: {instruct: "Watercolour, soft light."}\n',
    "seeker": "extends: conduct\nname: Seek\nembeddings: {route: vectors}\n",
}


def write_project(root: Path, base_url: str, *, personal_data: str = MAIL_PATTERN) -> Path:
    """Write a project whose routes lead to this address.

    Args:
        root: A folder that need not be there.
        base_url: The provider's.
        personal_data: The detector that pseudonyms are made by.
    """
    files = {
        "banneton.yaml": _BANNETON.format(base_url=base_url),
        "policies/root.yaml": _POLICY % personal_data,
        "policies/keeping.yaml": "extends: root\n"
        "keep: {content: rewritten, content_for: 3d, findings: 5d}\n",
        "prompts/assistant.md.j2": _PROMPT,
        **{f"personas/{name}.yaml": text for name, text in PERSONAS.items()},
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return root
