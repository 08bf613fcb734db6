"""Which models look, with the extra ``models`` and without it."""

import subprocess
import sys
import textwrap

import pytest

from app.guardrails.detectors import harm, injection
from app.guardrails.detectors.harm import HarmDetector, HarmSettings
from app.guardrails.detectors.injection import InjectionDetector, InjectionSettings
from app.guardrails.strong import StrongDetector
from app.guardrails.tiers import Tier, is_strong

WITHOUT = """
import sys

sys.modules["onnxruntime"] = None  # as where it is not installed

from app.domain.errors import DetectorError
from app.guardrails.context import Context
from app.guardrails.detectors import harm, injection
from app.guardrails.passage import Passage

for module, settings in ((injection, injection.InjectionSettings), (harm, harm.HarmSettings)):
    for tier in ("auto", "fast"):
        detector = module.KIND.build(settings(tier=tier))
        print(module.KIND.name, tier, type(detector).__name__)
        detector.inspect(Passage("How do I bake bread?"))
    try:
        module.KIND.build(settings(tier="strong"))
    except DetectorError as exc:
        print(module.KIND.name, "strong", exc)
print("app.guardrails.encoder" in sys.modules)
"""


def test_without_the_extra_auto_is_fast_and_strong_is_refused() -> None:
    """The default install does not start, or a weak guard stands where a strong one is wanted."""
    done = subprocess.run(  # noqa: S603  # our own interpreter
        [sys.executable, "-c", textwrap.dedent(WITHOUT)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    refused = (
        "`tier: strong` needs the extra `models`: pip install 'banneton[models]', "
        "or write `tier: auto`"
    )
    assert done.stdout.splitlines() == [
        "injection auto InjectionDetector",
        "injection fast InjectionDetector",
        f"injection strong {refused}",
        "harm auto HarmDetector",
        "harm fast HarmDetector",
        f"harm strong {refused}",
        "False",
    ]


@pytest.mark.parametrize("tier", [Tier.AUTO, Tier.STRONG])
def test_with_the_extra_the_encoder_takes_part(tier: Tier) -> None:
    """Who installed the strong tier is served by the fast one."""
    assert is_strong(tier)
    for built in (
        injection.KIND.build(InjectionSettings(tier=tier)),
        harm.KIND.build(HarmSettings(tier=tier)),
    ):
        assert isinstance(built, StrongDetector)
        assert built.spec == "strong"


def test_fast_is_fast_where_the_extra_is_installed() -> None:
    """A rule that has to be cheap costs thirty milliseconds a kilobyte."""
    fast = injection.KIND.build(InjectionSettings(tier=Tier.FAST))
    strong = injection.KIND.build(InjectionSettings(tier=Tier.STRONG))
    assert isinstance(fast, InjectionDetector)
    assert isinstance(harm.KIND.build(HarmSettings(tier=Tier.FAST)), HarmDetector)
    assert (fast.revision, fast.spec) != (strong.revision, strong.spec)


@pytest.mark.parametrize(
    ("tier", "other", "is_as_strict"),
    [
        ("auto", "auto", True),
        ("strong", "auto", True),
        ("auto", "strong", True),
        ("fast", "fast", True),
        ("fast", "auto", False),
        ("fast", "strong", False),
        ("strong", "fast", False),
    ],
)
def test_tiers_are_compared(tier: str, other: str, *, is_as_strict: bool) -> None:
    """A child that takes the encoder away from its parent's rule passes review as no weaker."""
    settings = InjectionSettings.model_validate
    both = settings({"tier": tier}), settings({"tier": other})
    assert injection.KIND.is_as_strict(*both) is is_as_strict
    of_harm = HarmSettings.model_validate
    assert harm.KIND.is_as_strict(of_harm({"tier": tier}), of_harm({"tier": other})) is is_as_strict
