"""What people approve to be weaker: by whom, what for, and for how long it counts."""

import subprocess
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path, PurePosixPath

import pytest
from codeowners import CodeOwners
from hypothesis import given, settings
from hypothesis import strategies as st

from app.catalog.approvals import Owners
from app.catalog.weakenings import (
    NAMESPACE,
    Approved,
    Approvers,
    WeakeningApproval,
    read_approvals,
    refused,
    text_of,
)
from app.domain.decision import Outcome
from app.domain.errors import ContentError
from app.domain.policy import Approval, Stage
from app.metrics.compare import Verdict
from app.review.change import Change, Effect, Located
from app.review.plan import Evaluated, Plan, Standing, weakening_of, with_approvals
from app.review.replayed import Cause, State
from tests.review.plans import NOW, approval, flip, movement, plan_of, replayed


def weaker(rule: str = "injection", what: str = "'block' becomes 'allow'") -> Located:
    """A rule that does less."""
    change = Change(Effect.WEAKER, "then", what, rule, ("public",), (Stage.INPUT,))
    return Located(change, ("a",), ("p",))


def with_all(plan: Plan, *approvals: Approved, at_base: tuple[Approved, ...] = ()) -> Plan:
    """The plan with approvals, of which anybody may give any."""
    now, then = ({each.id: each for each in group} for group in (approvals, at_base))
    return with_approvals(plan, now, lambda *_: "", at_base=then)


def test_what_is_approved_stops_nobody_and_the_rest_does() -> None:
    """One approval would let everything through, or an approved change never merge."""
    plan = plan_of(weaker(), weaker("harm"))
    first, second = (each.id for each in plan.weakenings)
    assert plan.is_weaker
    one = with_all(plan, approval(plan, first))
    assert [each.id for each in one.open] == [second]
    assert one.is_weaker
    both = with_all(plan, approval(plan, first), approval(plan, second))
    assert not both.is_weaker
    assert [each.standing for each in both.approvals] == [Standing.COUNTS] * 2


def test_an_id_is_what_it_says() -> None:
    """An approval would be lost when a line moves, or count for another change."""
    source = replace(weaker(), source=None)
    assert weakening_of(weaker()).id == weakening_of(source).id
    others = [
        weaker("harm"),
        weaker(what="'block' becomes 'flag'"),
        replace(weaker(), policies=("b",)),
        replace(weaker(), personas=("p", "q")),
        replace(weaker(), change=replace(weaker().change, audiences=("minor",))),
        replace(weaker(), change=replace(weaker().change, stages=(Stage.OUTPUT,))),
    ]
    ids = {weakening_of(each).id for each in (weaker(), *others)}
    assert len(ids) == len(others) + 1


def test_an_id_alone_approves_nothing() -> None:
    """Two changes could be made of one id, the harmless one be approved and the other be merged."""
    plan = plan_of(weaker())
    (found,) = plan.weakenings
    good = approval(plan, found.id)
    other = replace(good, said=good.said.model_copy(update={"what": "something harmless"}))
    made = with_all(plan, other)
    assert made.is_weaker
    assert [(each.standing, each.why) for each in made.approvals] == [
        (Standing.REFUSED, "it is about something else than its id")
    ]


def test_an_approval_is_of_one_change() -> None:
    """What was approved once could be made weaker again, and again, and nobody be asked."""
    plan = plan_of(weaker())
    given_ = approval(plan, plan.weakenings[0].id)
    assert with_all(plan, given_, at_base=(given_,)).is_weaker
    for days, is_weaker in ((-1, True), (0, False), (30, False)):
        expires = NOW.date() + timedelta(days=days)
        said = given_.said.model_copy(update={"expires": expires})
        ahead = replace(given_, said=said)
        assert with_all(plan, ahead, at_base=(ahead,)).is_weaker is is_weaker
        assert with_all(plan, ahead).is_weaker is is_weaker


def test_an_approval_of_nothing_is_stale() -> None:
    """Approvals would pile up, and one of them count one day."""
    plan = plan_of(weaker())
    made = with_all(plan, approval(plan, "w-000000000000"))
    assert [each.standing for each in made.approvals] == [Standing.STALE]
    assert made.is_weaker


def test_decisions_follow_the_rule_that_turned_them() -> None:
    """Who approved a threshold would have to approve what it does, too; or one would be enough."""
    one = flip("injection", Outcome.BLOCK, Outcome.ALLOW, 7)
    causes = (replace(one.causes[0], policy="a"), Cause("harm", "then", "less", "a", "f", 1))
    alone, both = replace(one, causes=causes[:1]), replace(one, causes=causes)
    plan = plan_of(weaker(), weaker("harm"), replayed=replayed(alone, both))
    first, second, of_one, of_both = plan.weakenings
    assert (of_one.follows, of_both.follows) == ((first.id,), (first.id, second.id))
    made = with_all(plan, approval(plan, first.id))
    assert [each.id for each in made.open] == [second.id, of_both.id]
    made = with_all(plan, approval(plan, first.id), approval(plan, second.id))
    assert not made.is_weaker


def test_decisions_that_no_weaker_rule_turned_are_approved_by_themselves() -> None:
    """A flip would be waved through by an approval of another rule, or never be approved."""
    plan = plan_of(weaker("harm"), replayed=replayed(flip("a", Outcome.BLOCK, Outcome.FLAG, 1)))
    of_rule, of_flip = plan.weakenings
    assert of_flip.follows == ()
    assert with_all(plan, approval(plan, of_rule.id)).open == (replace(of_flip),)
    assert not with_all(plan, approval(plan, of_rule.id), approval(plan, of_flip.id)).is_weaker


def test_only_decisions_that_end_less_severely_are_weaker() -> None:
    """A stricter change would be red."""
    flips = (flip("a", Outcome.FLAG, Outcome.BLOCK, 7), flip("b", Outcome.ALLOW, Outcome.MASK, 1))
    assert not plan_of(replayed=replayed(*flips)).is_weaker
    assert replayed(*flips).state(State.EXACT) == 90


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("may_gate", [True, False])
def test_which_metrics_decide(verdict: Verdict, *, may_gate: bool) -> None:
    """Noise would stop a merge, as would a judge that nobody checked; or a worse metric not."""
    why = {} if may_gate else {"task_completion": "its judge may not gate"}
    measured = Evaluated(("a",), 100, (movement(verdict),), why)
    plan = plan_of(evaluated=measured)
    assert plan.is_weaker is (verdict is Verdict.WORSE and may_gate)


approvals = st.builds(
    WeakeningApproval,
    what=st.text(min_size=1),
    reason=st.text(min_size=1),
    approved_by=st.text(min_size=1),
    approved_on=st.dates(date(2020, 1, 1)),
    expires=st.one_of(st.none(), st.dates(date(2020, 1, 1))),
)


@settings(deadline=None, max_examples=100)
@given(said=approvals)
def test_a_file_says_what_was_approved(
    tmp_path_factory: pytest.TempPathFactory, said: WeakeningApproval
) -> None:
    """A reason with a colon or a quote in it would break the file, or say something else."""
    root = tmp_path_factory.mktemp("project")
    (root / "approvals").mkdir()
    (root / "approvals" / "w-1.yaml").write_text(text_of(said), "utf-8")
    assert read_approvals(root)["w-1"].said == said


def test_mistakes_in_a_file_are_said_with_their_lines(tmp_path: Path) -> None:
    """An author would not know why their approval does not count."""
    (tmp_path / "approvals").mkdir()
    (tmp_path / "approvals" / "w-1.yaml").write_text("what: x\nreasons: y\napproved_by: ann\n")
    with pytest.raises(ContentError) as raised:
        read_approvals(tmp_path)
    said = str(raised.value)
    assert "approvals/w-1.yaml:2:1: reasons: is not a known key; did you mean 'reason'?" in said
    assert "has no 'approved_on'" in said


def owned(text: str) -> Approvers:
    """Approvers by CODEOWNERS."""
    owners = Owners(CodeOwners(text), PurePosixPath())
    return Approvers(Approval.CODEOWNERS, {}, lambda: owners)


@pytest.mark.parametrize(
    ("lines", "who", "says"),
    [
        ("* @ann", "@ann", ""),
        ("* @Ann", "@ann", ""),
        ("/policies/ @ann\n/approvals/ @ann", "@ann", ""),
        ("/policies/ @ann\n/approvals/ @eve", "@eve", "'@eve' did not own policies/a.yaml"),
        ("/policies/ @ann\n/approvals/ @eve", "@ann", "'@ann' did not own approvals/w-1.yaml"),
        ("/policies/ @ann", "@ann", "named no owner of approvals/w-1.yaml"),
        ("", "@ann", "named no owner of"),
        ("* @ann", "@eve", "'@eve' did not own"),
    ],
)
def test_owners_approve(lines: str, who: str, says: str) -> None:
    """Who owns only the approvals could approve anything; who owns only the policy could, too."""
    plan = plan_of(weaker())
    given_ = replace(approval(plan, "w-1", by=who))
    why = owned(lines).refusal(given_, ("policies/a.yaml",))
    assert says in why
    assert bool(why) is bool(says)


def test_a_signature_is_of_all_that_an_approval_says(tmp_path: Path) -> None:
    """A signature could be moved to another reason, date or change, or be somebody else's."""
    key = tmp_path / "key"
    new = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ann", "-f", str(key)]
    subprocess.run(new, check=True, timeout=60)  # noqa: S603  # ssh-keygen itself
    plan = plan_of(weaker())
    given_ = approval(plan, plan.weakenings[0].id)
    sign = ["ssh-keygen", "-q", "-Y", "sign", "-n", NAMESPACE, "-f", str(key)]
    signed = subprocess.run(  # noqa: S603  # ssh-keygen itself
        sign, input=given_.text_to_sign, capture_output=True, check=True, timeout=60
    ).stdout.decode()
    keys = {"ann": (tmp_path / "key.pub").read_text()}
    approvers = Approvers(Approval.SIGNATURE, keys, lambda: Owners(CodeOwners(""), PurePosixPath()))

    def why(**changes: object) -> str:
        said = given_.said.model_copy(update={"signature": signed, **changes})
        return approvers.refusal(replace(given_, said=said), ())

    assert why() == ""
    assert "it is not signed" in why(signature="")
    assert "is of another text" in why(reason="Another one.")
    assert "is of another text" in why(expires=date(2030, 1, 1))
    assert "is of another text" in why(what="more")
    assert "'eve' was no approver" in why(approved_by="eve")
    assert refused({"w-1": given_}, approvers)[0].what.startswith("it is not signed")
